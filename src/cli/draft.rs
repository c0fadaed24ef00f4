//! A file that appears only when it is whole: written beside its place, synced, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Context;
use super::failure::Failure;

/// A file being written. Dropped before [`Draft::finish`], it leaves nothing.
pub(super) struct Draft {
    path: PathBuf,
    partial: PathBuf,
    file: Option<File>,
}

impl Draft {
    /// Begins `path`, readable by this user alone where `private`. A file that is there is kept unless `force`.
    pub fn begin(context: &Context, path: &Path, force: bool, private: bool) -> Result<Draft, Failure> {
        if path.is_dir() || (path.exists() && !force) {
            return Err(exists(context, path));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let failed = |error: io::Error| Draft::failed(context, &partial, &error);
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = private;
        let file = Some(options.open(&partial).map_err(failed)?);
        Ok(Draft { path: path.to_owned(), partial, file })
    }

    /// Makes it durable and gives it its name.
    pub fn finish(mut self, context: &Context) -> Result<(), Failure> {
        let synced = match self.file.take() {
            Some(file) => file.sync_all(),
            None => Ok(()),
        };
        let named = synced.and_then(|()| fs::rename(&self.partial, &self.path));
        if let Err(error) = named {
            let _ = fs::remove_file(&self.partial);
            return Err(Draft::failed(context, &self.path, &error));
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Where directories cannot be synced, their names need not be.
        if cfg!(unix) {
            let synced = File::open(parent).and_then(|directory| directory.sync_all());
            synced.map_err(|error| Draft::failed(context, parent, &error))?;
        }
        Ok(())
    }

    /// Why it could not be written.
    pub fn failed(context: &Context, path: &Path, error: &io::Error) -> Failure {
        let message = match context.printer.language {
            crate::http::Language::French => format!(
                "{} ne peut pas être écrit ({error}) : aucun fichier n'a été laissé. Vérifiez la place et les droits, puis recommencez.",
                path.display()
            ),
            crate::http::Language::English => format!(
                "{} cannot be written ({error}): no file was left. Check room and permissions, then try again.",
                path.display()
            ),
        };
        Failure::new("file_not_written", message)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("closed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // It is only a draft; why it was given up is told by who gave it up.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn exists(context: &Context, path: &Path) -> Failure {
    let message = match context.printer.language {
        crate::http::Language::French => format!(
            "{} existe déjà et n'a pas été touché. Donnez un autre nom, ou --force pour le remplacer.",
            path.display()
        ),
        crate::http::Language::English => {
            format!(
                "{} exists already and was not touched. Give another name, or --force to replace it.",
                path.display()
            )
        }
    };
    Failure::new("file_exists", message)
}
