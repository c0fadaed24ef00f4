//! `lab`: the simulated companies of `crate::lab`, from seeds or told in a file: run, run again, looked at and drawn.
//!
//! No directory and no node are touched. Nothing on stdout depends on how fast the machine is, or on when it runs.

mod header;
mod replay;
mod report;
mod run;
mod scenario;
mod shrunk;
mod speech;
mod told;
mod verdicts;
mod wrong;

use std::process::ExitCode;

use super::Context;
use super::failure::Failure;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Lab {
    /// Simuler une compagnie entière, avec ses pannes, à partir d'une graine ou d'un scénario.
    Run(run::Run),
    /// Rejouer une trace, d'un trait ou pas à pas.
    Replay(replay::Replay),
    /// Dessiner une course sur une page HTML qui se suffit à elle-même.
    Report(report::Report),
}

impl Lab {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        match self {
            Lab::Run(run) => run.run(context),
            Lab::Replay(replay) => replay.run(context),
            Lab::Report(report) => report.run(context),
        }
    }
}
