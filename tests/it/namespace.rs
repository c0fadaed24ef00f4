//! A network namespace for one test: it may make interfaces there, and disturbs nobody.
//!
//! Nothing here is a test. The test's program runs itself again inside, with that test alone; where the system makes no
//! namespaces, it says that it is skipped and why.

use std::process::Command;

/// Set where a test is at work in its own namespace.
const INSIDE: &str = "UCASH_TEST_NAMESPACE";

/// Whether this process is the one inside.
pub fn is_in_its_namespace() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test of that name in a namespace that the shell's words in `setup` have furnished.
#[track_caller]
pub fn again_in_a_namespace(test: &str, setup: &str) {
    let try_out = Command::new("unshare").args(["-rn", "sh", "-c", setup]).output();
    if !try_out.is_ok_and(|output| output.status.success()) {
        println!("skipped: this system lets us make no network namespace with an interface (unshare, ip)");
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let script = format!("{setup} && exec \"$0\" --exact {test} --nocapture");
    let output = Command::new("unshare").args(["-rn", "sh", "-c", &script]).arg(own).env(INSIDE, "1").output();
    let output = output.expect("unshare worked a moment ago");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{}", String::from_utf8_lossy(&output.stderr));
}
