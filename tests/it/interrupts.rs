//! Ctrl-C in the middle of long work: it ends with a sentence and leaves nothing half done, and running again works.
//!
//! The node is stopped while the command waits for it, so that the signal surely comes in the middle.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Shop, eventually};

/// The bit of SIGINT in a mask of signals.
const SIGINT_BIT: u64 = 1 << 1;

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{name} is sent to {pid}");
}

/// Whether a process has said what is to happen on Ctrl-C.
fn minds_interrupts(pid: u32) -> Result<(), String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| error.to_string())?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).ok_or("no mask")?;
    let mask = u64::from_str_radix(mask.trim(), 16).map_err(|error| error.to_string())?;
    if mask & SIGINT_BIT != 0 { Ok(()) } else { Err("not yet".to_owned()) }
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn ctrl_c_in_the_middle_leaves_no_file_and_running_again_works() {
    let mut shop = Shop::found("siege", "Kivu", 1);
    shop.ok(&["sim", "add", "+243971777631", "--operator", "Airtel", "--initial-usd", "100"]);
    shop.start(&[]);
    let place = shop.beside("out");
    fs::create_dir(&place).expect("a directory");
    let data = shop.directory().to_str().expect("Unicode").to_owned();
    let table: [(&str, &[&str]); 2] =
        [("backup", &["backup"]), ("credits.csv", &["export", "--format", "csv", "--what", "credits", "--output"])];
    for (name, words) in table {
        let file = place.join(name).to_str().expect("Unicode").to_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ucash"));
        command.args(words).args([&file, "--data", &data, "--lang", "fr"]);
        signal("-STOP", shop.pid());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let pid = child.id();
        eventually("the work begins", || {
            let ended = child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "{name} ended early: {ended:?}");
            minds_interrupts(pid)?;
            if files(&place).is_empty() { Err("nothing is written yet".to_owned()) } else { Ok(()) }
        });
        signal("-INT", pid);
        signal("-CONT", shop.pid());
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("Interrompu"), "{name}: {said}");
        assert!(files(&place).is_empty(), "{name}: {:?} is left", files(&place));
        let again: Vec<&str> = words.iter().copied().chain([file.as_str()]).collect();
        shop.ok(&again);
        assert_eq!(files(&place), [name]);
        fs::remove_file(&file).expect("it is there");
    }
}
