//! The `ucash` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ucash::cli::run(std::env::args_os())
}
