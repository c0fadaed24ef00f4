//! Disks as shops have them: slow, full, broken, and without power (faults D1 to D3 and D8).
//!
//! The program is run as it is, on real file systems or with a preloaded shim (`tests/shims/disk.c`). What a machine
//! cannot give (root for mounting, a C compiler) is said, and that test is skipped.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::process::{Answer, Shop, eventually};

const SIM: &str = "+243970000001";

fn grant(reference: &str) -> Value {
    json!({
        "reference": reference, "amount": "0.01", "currency": "USD", "sim": SIM,
        "beneficiary": { "name": "Aimée" },
    })
}

/// A grant that takes room: sled's file must grow between two cuts, for what a loss of power takes first is the room that
/// a file was newly given.
fn long_grant(reference: &str) -> Value {
    let notes = blake3::hash(reference.as_bytes()).to_hex().to_string();
    let mut grant = grant(reference);
    grant["notes"] = json!([&notes[..], &notes[..32], "-", &notes[7..], &notes[20..]].concat());
    grant
}

fn send(shop: &Shop, reference: &str) -> Result<Answer, String> {
    shop.face().post("/api/v1/credits", reference, &grant(reference))
}

/// What the node finds wrong with its disk, asked as who watches over it does.
fn disk_fault(shop: &Shop) -> Value {
    let alive = shop.face().request("GET", "/healthz", &[], None).expect("an answer");
    assert_eq!(alive.status, 200, "a new start would not mend a disk: {alive:?}");
    let ready = shop.face().request("GET", "/readyz", &[], None).expect("an answer");
    let body = ready.json();
    let checks = body["checks"].as_array().expect("checks");
    let fault = checks.iter().find(|check| check["name"] == "store").expect("the store is looked at")["fault"].clone();
    assert_eq!(ready.status, if fault.is_null() { 200 } else { 503 }, "{ready:?}");
    fault
}

fn metric(shop: &Shop, sample: &str) -> String {
    let page = shop.face().request("GET", "/metrics", &[], None).expect("an answer").text;
    let found = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {sample}: {page}")).to_owned()
}

fn with_sim(shop: &Shop) {
    shop.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100000.00"]);
}

/// Runs a tool of the system and says what it could not do.
pub fn tool(words: &[&str]) -> Result<String, String> {
    let ran = Command::new(words[0]).args(&words[1..]).output().map_err(|error| format!("{}: {error}", words[0]))?;
    let said = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    let reason = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    if ran.status.success() { Ok(said) } else { Err(format!("{}: {reason}", words.join(" "))) }
}

/// The shim, compiled, and the directory by which it is told what to do.
struct Shim {
    home: tempfile::TempDir,
    library: PathBuf,
}

impl Shim {
    fn new() -> Option<Shim> {
        let home = tempfile::tempdir().expect("a directory");
        let library = home.path().join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shims/disk.c");
        let path = library.to_str().expect("Unicode");
        match tool(&["cc", "-shared", "-fPIC", "-O1", "-o", path, source, "-ldl"]) {
            Ok(_) => Some(Shim { home, library }),
            Err(reason) => {
                println!("skipped: no shim can be compiled here ({reason})");
                None
            }
        }
    }

    fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.to_str().expect("Unicode").to_owned();
        [("LD_PRELOAD", text(&self.library)), ("UCASH_SHIM", text(self.home.path()))]
    }

    fn set(&self, name: &str) {
        File::create(self.home.path().join(name)).expect("set");
    }

    fn clear(&self, name: &str) {
        fs::remove_file(self.home.path().join(name)).expect("cleared");
    }
}

#[test]
fn d8_a_disk_that_stalls_does_not_blind_the_shop() {
    let Some(shim) = Shim::new() else { return };
    let mut shop = Shop::found("siege", "Lent", 1);
    with_sim(&shop);
    shop.start_in(&[], &shim.environment());
    assert_eq!(send(&shop, "AVANT").expect("an answer").status, 201);
    let look = || shop.face().request("GET", "/api/v1/credits/AVANT", &[], None).expect("an answer");
    assert!(!look().undurable);

    shim.set("stall");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| send(&shop, "PENDANT"));
        // The disk answers nobody until it is told to; whoever looks is answered, and told that it may not last.
        for path in ["/api/v1/credits/AVANT", "/api/v1/credits", "/api/v1/status", "/api/v1/sims"] {
            assert_eq!(shop.face().request("GET", path, &[], None).expect("an answer").status, 200, "{path}");
        }
        eventually("what is shown to be marked", || if look().undurable { Ok(()) } else { Err("durable".to_owned()) });
        eventually("the stall to be told", || match disk_fault(&shop) {
            fault if fault == "disk_stalled" => Ok(()),
            other => Err(other.to_string()),
        });
        assert!(!waits.is_finished(), "nothing is acknowledged before it is durable");
        shim.clear("stall");
        assert_eq!(waits.join().expect("no panic").expect("an answer").status, 201);
    });
    assert_eq!(disk_fault(&shop), Value::Null);
    eventually("the mark to go", || if look().undurable { Err("marked".to_owned()) } else { Ok(()) });
    assert!(shop.stop().success());
    shop.assert_sound();
}

#[test]
fn d8_a_disk_that_stalls_at_the_heads_file_is_told_too() {
    let Some(shim) = Shim::new() else { return };
    let mut shop = Shop::found("siege", "Lent", 1);
    with_sim(&shop);
    shop.start_in(&[], &shim.environment());
    shim.set("stall-heads");
    let is_told = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The file is written behind a sync every few seconds: what comes after that waits.
        let cashier = scope.spawn(|| {
            let mut statuses = Vec::new();
            while !is_told.load(Ordering::Acquire) && statuses.iter().all(|status| *status == 201) {
                statuses.push(send(&shop, &format!("PENDANT-{}", statuses.len())).expect("an answer").status);
            }
            statuses
        });
        eventually("the stall to be told", || match disk_fault(&shop) {
            fault if fault == "disk_stalled" => Ok(()),
            other => Err(other.to_string()),
        });
        is_told.store(true, Ordering::Release);
        shim.clear("stall-heads");
        let statuses = cashier.join().expect("no panic");
        assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    });
    assert_eq!(disk_fault(&shop), Value::Null);
    assert!(shop.stop().success());
    shop.assert_sound();
}

#[test]
fn d2_after_a_sync_that_failed_nothing_is_written_and_nothing_is_believed() {
    let Some(shim) = Shim::new() else { return };
    let mut shop = Shop::found("siege", "Panne", 1);
    with_sim(&shop);
    shop.start_in(&[], &shim.environment());
    assert_eq!(send(&shop, "AVANT").expect("an answer").status, 201);
    shim.set("fail");
    let refused = send(&shop, "PENDANT").expect("an answer");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("read_only")), "{refused:?}");
    shim.clear("fail");
    // A second attempt that succeeds would prove nothing: the system forgets what it failed to write.
    let refused = send(&shop, "APRES").expect("an answer");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("read_only")), "{refused:?}");
    assert!(shop.credit("AVANT").is_ok(), "what was there is still read");
    assert_eq!(disk_fault(&shop), "disk_failed");
    assert_eq!((metric(&shop, "ucash_disk_failed"), metric(&shop, "ucash_disk_full")), ("1".into(), "0".into()));
    assert_eq!(metric(&shop, "ucash_disk_syncs_failed_total"), "1");
    shop.kill();
    shop.start(&[]);
    assert!(shop.credit("AVANT").is_ok());
    assert_eq!(send(&shop, "APRES").expect("an answer").status, 201);
    shop.assert_sound();
}

/// A file system of its own, unmounted at the end.
pub struct Mounted {
    place: PathBuf,
}

impl Mounted {
    /// Mounts, or says why not.
    pub fn mount(place: &Path, words: &[&str]) -> Option<Mounted> {
        fs::create_dir_all(place).expect("made");
        let place_text = place.to_str().expect("Unicode");
        match tool(&[&["mount"][..], words, &[place_text]].concat()) {
            Ok(_) => Some(Mounted { place: place.to_owned() }),
            Err(reason) => {
                println!("skipped: nothing can be mounted here ({reason})");
                None
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let place = self.place.to_str().expect("Unicode");
        let _ = tool(&["umount", place]).or_else(|_| tool(&["umount", "-l", place]));
    }
}

/// Writes to a file until there is no room.
fn fill(path: &Path) {
    let mut file = File::options().create(true).append(true).open(path).expect("a file");
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0xa5; size]).is_ok() {}
    }
}

#[test]
fn d3_a_full_disk_is_refused_plainly_read_on_and_used_again_when_there_is_room() {
    let home = tempfile::tempdir().expect("a directory");
    let place = home.path().join("petit");
    let Some(_mounted) = Mounted::mount(&place, &["-t", "tmpfs", "-o", "size=24m", "tmpfs"]) else { return };
    let mut shop = Shop::found_in("siege", "Plein", 1, &place.join("data"));
    with_sim(&shop);
    shop.start(&[]);
    assert_eq!(send(&shop, "AVANT").expect("an answer").status, 201);

    let filler = place.join("photos");
    fill(&filler);
    let mut acknowledged = vec!["AVANT".to_owned()];
    let refused = eventually("a refusal", || {
        // sled still has room in its own file for a while.
        let reference = format!("PLEIN-{}", acknowledged.len());
        let answer = send(&shop, &reference)?;
        fill(&filler);
        if answer.status == 201 {
            acknowledged.push(reference);
            return Err(format!("{} acknowledged", acknowledged.len()));
        }
        Ok(answer)
    });
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("disk_full")), "{refused:?}");
    assert!(shop.credit("AVANT").is_ok(), "it can be read");

    assert_eq!(disk_fault(&shop), "disk_full");
    assert_eq!((metric(&shop, "ucash_disk_failed"), metric(&shop, "ucash_disk_full")), ("0".into(), "1".into()));

    // Stopped and started on the full disk: the reserve lets it open, and it is read only.
    shop.kill();
    shop.start(&[]);
    let refused = send(&shop, "TOUJOURS-PLEIN").expect("an answer");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("disk_full")), "{refused:?}");
    for reference in &acknowledged {
        assert!(shop.credit(reference).is_ok(), "{reference} was acknowledged");
    }

    assert_eq!(disk_fault(&shop), "disk_full");

    fs::remove_file(&filler).expect("there is room again");
    eventually("the node to go on by itself", || {
        let answer = send(&shop, "APRES")?;
        if answer.status == 201 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    assert_eq!(disk_fault(&shop), Value::Null);
    for reference in &acknowledged {
        assert!(shop.credit(reference).is_ok(), "{reference} was acknowledged");
    }
    assert!(shop.stop().success());
    shop.assert_sound();
    // Before what it is mounted on.
    drop(shop);
}

/// A device on an ext4 of its own, whose image can be copied at any moment: what a loss of power would leave.
struct OnExt4 {
    home: tempfile::TempDir,
    mounted: Option<Mounted>,
}

const IMAGE_BYTES: u64 = 48 << 20;

impl OnExt4 {
    fn new() -> Option<OnExt4> {
        let home = tempfile::tempdir().expect("a directory");
        let image = home.path().join("image");
        File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("an image");
        let text = image.to_str().expect("Unicode");
        if let Err(reason) = tool(&["mkfs.ext4", "-q", "-F", text]) {
            println!("skipped: no ext4 can be made here ({reason})");
            return None;
        }
        let mounted = Mounted::mount(&home.path().join("disque"), &["-o", "loop", text])?;
        Some(OnExt4 { home, mounted: Some(mounted) })
    }

    fn data(&self) -> PathBuf {
        self.mounted.as_ref().expect("mounted").place.join("data")
    }
}

/// Cuts before the disk is full, and another one is taken.
const CUTS_A_DISK: u64 = 20;

/// Runs nodes under load on such disks, cuts the power that many times, and counts the cuts after which something
/// acknowledged was gone.
fn power_cuts(cuts: u64, environment: &[(&str, String)]) -> Option<(u64, u64)> {
    let mut lost = 0;
    let mut done = 0;
    while done < cuts {
        let more = CUTS_A_DISK.min(cuts - done);
        lost += cuts_of_one_disk(more, environment)?;
        done += more;
    }
    Some((cuts, lost))
}

fn cuts_of_one_disk(cuts: u64, environment: &[(&str, String)]) -> Option<u64> {
    let disk = OnExt4::new()?;
    let mut shop = Shop::found_in("siege", "Coupure", 1, &disk.data());
    with_sim(&shop);
    shop.start_in(&[], environment);
    let pid = shop.pid().to_string();
    let mut lost = 0;
    let mut sent = 0_u64;
    for cut in 0..cuts {
        // Another number of grants before each cut, and one that is under way.
        let mut acknowledged = Vec::new();
        std::thread::scope(|scope| {
            let (told, heard) = std::sync::mpsc::channel();
            for client in 0..4 {
                let (shop, told) = (&shop, told.clone());
                let first = sent + client * 1_000_000;
                scope.spawn(move || {
                    for number in 0..(cut * 7 % 23 + 40) {
                        let reference = format!("C-{}", first + number);
                        let body = long_grant(&reference);
                        let answer = shop.face().post("/api/v1/credits", &reference, &body).expect("an answer");
                        assert_eq!(answer.status, 201, "{answer:?}");
                        // Nobody listens any more once the power was cut.
                        let _ = told.send(reference);
                    }
                });
            }
            drop(told);
            for _ in 0..(cut * 5 % 17 + 100) {
                acknowledged.extend(heard.recv());
            }
            tool(&["kill", "-STOP", &pid]).expect("stopped");
            acknowledged.extend(heard.try_iter());
            tool(&["cp", "--sparse=always", &text(disk.home.path(), "image"), &text(disk.home.path(), "cut")])
                .expect("copied");
            tool(&["kill", "-CONT", &pid]).expect("goes on");
        });
        sent += 100;
        let after = Mounted::mount(&disk.home.path().join("apres"), &["-o", "loop", &text(disk.home.path(), "cut")])
            .expect("what was cut can be mounted");
        if !is_all_there(&after.place.join("data"), &acknowledged) {
            lost += 1;
        }
    }
    assert!(shop.stop().success());
    shop.assert_sound();
    drop(shop);
    Some(lost)
}

fn text(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().expect("Unicode").to_owned()
}

/// Whether a directory opens, is sound, and shows every one of those credits.
fn is_all_there(data: &Path, references: &[String]) -> bool {
    let Ok(opened) = crate::damage::Opened::open(data) else { return false };
    let shown = references.iter().all(|reference| opened.shows(reference));
    shown && opened.verified().sound
}

fn cuts(default: u64) -> u64 {
    std::env::var("UCASH_POWER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn d1_nothing_acknowledged_is_lost_when_the_power_goes() {
    let Some((cuts, lost)) = power_cuts(cuts(12), &[]) else { return };
    println!("{cuts} power cuts, {lost} lost something");
    assert_eq!(lost, 0, "of {cuts}");
}

#[test]
fn d1_the_same_test_fails_where_the_system_is_not_told_to_sync() {
    let planted = [("UCASH_PLANTED", "SyncDataSkipped".to_owned())];
    let Some((cuts, lost)) = power_cuts(cuts(8), &planted) else { return };
    println!("without sync_data: {cuts} power cuts, {lost} lost something");
    assert!(lost > 0, "a test of power cuts that plain sled passes proves nothing");
}
