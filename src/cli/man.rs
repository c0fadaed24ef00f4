//! `ucash man`: the manual's pages, one per command, from the same words as `--help`.
//!
//! Nothing is written by hand here that the commands say of themselves: only what no command says, such as the codes
//! that the program ends with and where its files are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man as Page;

use super::failure::Failure;
use super::output::print_line;
use super::{Arguments, Context};

/// What the first page says beside its commands: roff, whose lines must not begin with a dot by chance.
const BESIDE: &str = r#".SH "CODES DE SORTIE"
.TP
0
fait
.TP
1
refusé, ou échoué : la raison est sur la sortie d'erreur, avec un code stable sous \-\-json
.TP
2
mal demandé : un mot ou une option que ucash ne connaît pas
.SH FICHIERS
.TP
ucash.toml
dans le répertoire des données : les réglages ; ucash start \-\-print\-config dit d'où vient chacun
.TP
store/, identity, heads
dans le répertoire des données : les écritures, la clé de l'appareil, la fin de chaque journal ; ne se copient pas, voir ucash\-backup(1)
.SH ENVIRONNEMENT
.TP
UCASH_DATA
le répertoire des données, si \-\-data ne le dit pas
.TP
LC_ALL, LC_MESSAGES, LANG
la langue des messages, si \-\-lang ne la dit pas
"#;

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Écrire une page par commande dans ce répertoire (il est créé) ; sans lui, la première s'imprime.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Man {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        // `help` is clap's own, and says nothing that these pages do not.
        let mut command = Arguments::command().disable_help_subcommand(true);
        // Gives each subcommand its full name and what all commands take.
        command.build();
        let Some(directory) = self.directory else {
            let mut page = Vec::new();
            let written = write_page(&command, true, &mut page);
            written.map_err(|error| Failure::system(context.printer.language, "man", error))?;
            print_line(String::from_utf8_lossy(&page).trim_end());
            return Ok(ExitCode::SUCCESS);
        };
        let written = fs::create_dir_all(&directory).and_then(|()| write_all(&command, true, &directory));
        written.map_err(|error| Failure::system(context.printer.language, &directory.display().to_string(), error))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// That command's page, and those of the commands below it.
fn write_all(command: &clap::Command, is_first: bool, directory: &Path) -> io::Result<()> {
    let name = Page::new(command.clone()).get_filename();
    let mut file = BufWriter::new(File::create(directory.join(name))?);
    write_page(command, is_first, &mut file)?;
    file.flush()?;
    let mut below = command.get_subcommands().filter(|below| !below.is_hide_set());
    below.try_for_each(|below| write_all(below, false, directory))
}

fn write_page(command: &clap::Command, is_first: bool, to: &mut dyn Write) -> io::Result<()> {
    Page::new(command.clone()).manual("ucash").render(to)?;
    if is_first { to.write_all(BESIDE.as_bytes()) } else { Ok(()) }
}
