//! Writes the old server's files of a small made-up company: `cargo run --example sample_company -- DIRECTORY`.
//!
//! `ucash import DIRECTORY` takes them in.

use std::path::PathBuf;
use std::process::ExitCode;

use ucash::sample::{Size, company};

fn main() -> std::io::Result<ExitCode> {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: sample_company DIRECTORY");
        return Ok(ExitCode::from(2));
    };
    std::fs::create_dir_all(&directory)?;
    let size = Size { shops: 5, sims_per_shop: 1, captures_per_sim: 2, credits: 40 };
    let company = company(7, size);
    for (name, text) in &company.tables {
        std::fs::write(directory.join(format!("{name}.json")), text)?;
    }
    println!("{} credits in {}", company.credits, directory.display());
    Ok(ExitCode::SUCCESS)
}
