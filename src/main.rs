//! The `ucash` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "planted")]
    if let Ok(bug) = std::env::var("UCASH_PLANTED") {
        ucash::planted::everywhere(&bug);
    }
    ucash::cli::run(std::env::args_os())
}
