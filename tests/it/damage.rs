//! D4: files that are damaged, cut, missing, swapped or older are noticed and named, and what can be proven goes on.
//!
//! Each trial takes a copy of a device's directory, does something to one file of it, and opens it as the program does.
//! It must be whole, or say that it is damaged; after the repair every entry is there, or named as lost. `UCASH_DAMAGE=N`
//! runs that many trials.

use std::fs;
use std::path::{Path, PathBuf};

use ucash::lab::Draw;
use ucash::ledger::Refusal;
use ucash::model::{Operator, ShopId};
use ucash::node::{self, FoundOptions, NodeError, Offline};
use ucash::replica::{Answer, Command, Founder, Query, StatusView, VerifyView};

use crate::forge::{grant_command, pay_command};
use crate::samples::{sim, usd};

const TRIALS: u64 = 120;

/// Opens a directory that nobody holds. A process that another test starts at this moment holds the lock too, from its
/// fork to its exec: that is waited for.
fn unheld<T>(mut open: impl FnMut() -> Result<T, NodeError>) -> Result<T, NodeError> {
    let ours = format!("in use by process {}", std::process::id());
    for _ in 0..500 {
        match open() {
            Err(error) if error.to_string().contains(&ours) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            other => return other,
        }
    }
    open()
}

/// An opened directory, without network.
pub struct Opened {
    runtime: tokio::runtime::Runtime,
    offline: Option<Offline>,
}

impl Opened {
    pub fn open(path: &Path) -> Result<Opened, NodeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Ok(Opened { runtime, offline: Some(unheld(|| node::open_offline(path))?) })
    }

    fn command(&self, command: Command, key: Option<&str>) -> Result<Answer, Refusal> {
        let node = &self.offline.as_ref().expect("open").node;
        self.runtime.block_on(node.command(command, key.map(str::to_owned)))
    }

    fn query(&self, query: Query) -> Answer {
        let node = &self.offline.as_ref().expect("open").node;
        self.runtime.block_on(node.query(query)).expect("an answer")
    }

    fn status(&self) -> StatusView {
        let Answer::Status(status) = self.query(Query::Status) else { panic!("no status") };
        *status
    }

    /// Whether there is such a credit.
    pub fn shows(&self, reference: &str) -> bool {
        let node = &self.offline.as_ref().expect("open").node;
        self.runtime.block_on(node.query(Query::Credit { key: reference.to_owned() })).is_ok()
    }

    pub fn verified(&self) -> VerifyView {
        let Answer::Verified(found) = self.query(Query::Verify) else { panic!("no verification") };
        found
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(offline) = self.offline.take() {
            offline.close();
        }
    }
}

fn work(path: &Path, from: u32, to: u32) {
    let opened = Opened::open(path).expect("opened");
    for number in from..to {
        let reference = format!("CRED-{number}");
        opened.command(grant_command(&reference, "10"), Some(&format!("accord {number}"))).expect("granted");
        opened.command(pay_command(&reference, "4"), Some(&format!("reçu {number}"))).expect("paid");
    }
}

/// A device's directory with some history, and an older copy of it.
struct Device {
    directory: tempfile::TempDir,
    older: PathBuf,
    now: PathBuf,
    status: StatusView,
}

fn device() -> Device {
    let directory = tempfile::tempdir().expect("a directory");
    let (now, older) = (directory.path().join("now"), directory.path().join("older"));
    let founder = Founder {
        network: "Essai".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: ShopId(1),
        shop_name: "Agence".to_owned(),
        device_name: "caisse".to_owned(),
    };
    drop(node::found(&now, &FoundOptions { founder }).expect("founded"));
    {
        let opened = Opened::open(&now).expect("opened");
        let add = Command::AddSim { sim: sim(), operator: Operator::Airtel, shop: None, opening: vec![usd("9000")] };
        opened.command(add, None).expect("added");
        let bukavu = Command::AddShop { shop: Some(ShopId(7)), name: "Bukavu".to_owned(), town: None };
        opened.command(bukavu, None).expect("added");
    }
    work(&now, 0, 40);
    copy(&now, &older);
    work(&now, 40, 90);
    let status = Opened::open(&now).expect("opened").status();
    Device { directory, older, now, status }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Does something to one file of a directory, and says what.
fn damage(device: &Device, path: &Path, draw: &mut Draw) -> String {
    let files: Vec<PathBuf> = files(path).into_iter().filter(|file| !file.ends_with("lock")).collect();
    // The database is what matters most.
    let database = path.join("store/db");
    let file = match draw.below(2) {
        0 => database,
        _ => files[draw.below(files.len() as u64) as usize].clone(),
    };
    let name = file.strip_prefix(path).expect("below").to_path_buf();
    let mut bytes = fs::read(&file).expect("read");
    let length = bytes.len() as u64;
    // Where something stands: sled's file is mostly room.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    match draw.below(7) {
        0 if used > 0 => {
            let at = draw.below(used);
            bytes[at as usize] ^= 1 << draw.below(8);
            fs::write(&file, bytes).expect("written");
            format!("{}: bit flipped at {at}", name.display())
        }
        1 if used > 0 => {
            let at = (draw.below(used) / 4096 * 4096) as usize;
            let end = (at + 4096).min(bytes.len());
            bytes[at..end].fill(0);
            fs::write(&file, bytes).expect("written");
            format!("{}: 4 kB zeroed at {at}", name.display())
        }
        2 => {
            let at = draw.below(used.max(1));
            bytes.truncate(at as usize);
            fs::write(&file, bytes).expect("written");
            format!("{}: cut at {at} of {length}", name.display())
        }
        3 => {
            let other = &files[draw.below(files.len() as u64) as usize];
            let theirs = fs::read(other).expect("read");
            fs::write(other, &bytes).expect("written");
            fs::write(&file, theirs).expect("written");
            format!("{}: swapped with {}", name.display(), other.display())
        }
        4 => {
            fs::remove_file(&file).expect("removed");
            format!("{}: removed", name.display())
        }
        5 => {
            fs::remove_dir_all(path.join("store")).expect("removed");
            copy(&device.older.join("store"), &path.join("store"));
            "the whole store: an older one".to_owned()
        }
        _ => match fs::read(device.older.join(&name)) {
            Ok(old) => {
                fs::write(&file, old).expect("written");
                format!("{}: older", name.display())
            }
            Err(_) => {
                fs::remove_dir_all(path.join("store")).expect("removed");
                "the whole store: gone".to_owned()
            }
        },
    }
}

/// What a trial came to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Outcome {
    Whole,
    Rescued,
    NamedOtherwise,
}

fn trial(device: &Device, seed: u64) -> (Outcome, String) {
    let path = device.directory.path().join(format!("trial-{seed}"));
    copy(&device.now, &path);
    let what = damage(device, &path, &mut Draw::from_seed(seed));
    let outcome = match Opened::open(&path) {
        Ok(opened) => {
            let status = opened.status();
            assert_eq!(status.entries, device.status.entries, "seed {seed}, {what}: a shorter ledger, in silence");
            assert_eq!(status.state_digest, device.status.state_digest, "seed {seed}, {what}");
            assert_eq!(status.lost, [], "seed {seed}, {what}");
            assert_keys(&opened, seed, &what);
            assert_eq!(opened.verified().faults, Vec::<String>::new(), "seed {seed}, {what}");
            Outcome::Whole
        }
        Err(NodeError::Home(error)) if node::is_damage(&error) => {
            let rescue = unheld(|| node::repair(&path)).unwrap_or_else(|error| panic!("seed {seed}, {what}: {error}"));
            let rescue = rescue.unwrap_or_else(|| panic!("seed {seed}, {what}: not damaged after all"));
            let opened = Opened::open(&path).unwrap_or_else(|error| panic!("seed {seed}, {what}: {error}"));
            let status = opened.status();
            let lost: u64 = status.lost.iter().map(|lost| lost.to - lost.from + 1).sum();
            assert_eq!(status.entries, rescue.entries, "seed {seed}, {what}");
            // The heads file says how far each log had come, unless it was damaged too.
            let named = status.entries + lost;
            let all = device.status.entries;
            assert!(named == all || (!rescue.is_all_named && named < all), "seed {seed}, {what}: {rescue:?}");
            assert_eq!(opened.verified().sound, lost == 0, "seed {seed}, {what}");
            if !rescue.own_records_lost {
                assert_keys(&opened, seed, &what);
            }
            Outcome::Rescued
        }
        Err(error) => {
            // What no signature and no peer can bring back: who the device is, and of which format its directory.
            let text = error.to_string();
            assert!(text.contains("identity") || text.contains("format"), "seed {seed}, {what}: {text}");
            Outcome::NamedOtherwise
        }
    };
    fs::remove_dir_all(&path).expect("removed");
    (outcome, what)
}

/// A payment sent again under its key is not made again.
fn assert_keys(opened: &Opened, seed: u64, what: &str) {
    let before = opened.status().entries;
    for number in [0, 39, 40, 89] {
        let again = opened.command(pay_command(&format!("CRED-{number}"), "4"), Some(&format!("reçu {number}")));
        assert!(again.is_ok(), "seed {seed}, {what}: {again:?}");
    }
    assert_eq!(opened.status().entries, before, "seed {seed}, {what}: a payment was made twice");
}

#[test]
fn damaged_files_are_noticed_and_what_can_be_proven_goes_on() {
    let device = device();
    let trials = std::env::var("UCASH_DAMAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(TRIALS);
    let mut outcomes = std::collections::BTreeMap::new();
    for seed in 0..trials {
        let (outcome, what) = trial(&device, seed);
        *outcomes.entry(outcome).or_insert(0) += 1;
        if std::env::var_os("UCASH_DAMAGE").is_some() {
            println!("{seed}: {what}: {outcome:?}");
        }
    }
    println!("{trials} damaged directories: {outcomes:?}");
    assert!(outcomes.get(&Outcome::Rescued).is_some_and(|count| *count > 5), "{outcomes:?}");
}
