//! `lab`: the simulated companies of `crate::lab`, from seeds or told in a file: run, run again, looked at and drawn.
//!
//! No directory and no node are touched. Nothing on stdout depends on how fast the machine is, or on when it runs.

mod run;
mod scenario;
mod speech;
mod wrong;

use std::process::ExitCode;

use super::Context;
use super::failure::Failure;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Lab {
    /// Simuler une compagnie entière, avec ses pannes, à partir d'une graine ou d'un scénario.
    Run(run::Run),
}

impl Lab {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        match self {
            Lab::Run(run) => run.run(context),
        }
    }
}
