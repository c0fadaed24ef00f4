//! The data directory: private, locked, of a known format, and every refusal by name.

use std::{fs, path::Path, process};

use ucash::node::storage::{DataDirectory, DirectoryError, FORMAT_SUPPORTED, write_atomically};

fn new() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("list");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn it_is_made_with_its_parents_and_opened_again() {
    let parent = new();
    let path = parent.path().join("share/ucash");
    assert!(matches!(DataDirectory::open_existing(&path), Err(DirectoryError::Missing { .. })));
    let made = DataDirectory::open_or_create(&path).expect("made");
    assert_eq!(made.path(), path);
    assert_eq!(made.store_path(), path.join("store"));
    assert_eq!(names(&path), ["format", "lock"]);
    assert_eq!(fs::read_to_string(path.join("format")).expect("format"), "ucash 1\n");
    drop(made);
    drop(DataDirectory::open_or_create(&path).expect("opened"));
    drop(DataDirectory::open_existing(&path).expect("opened"));
}

#[cfg(unix)]
#[test]
fn it_and_what_is_written_in_it_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let parent = new();
    let path = parent.path().join("ucash");
    let _made = DataDirectory::open_or_create(&path).expect("made");
    let secret = path.join("secret");
    write_atomically(&secret, b"before", 0o644).expect("written");
    fs::write(path.join("secret.tmp"), "left by a crash, readable by all").expect("written");
    write_atomically(&secret, b"after", 0o600).expect("written");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&secret), mode(&path.join("format"))), (0o700, 0o600, 0o600));
    assert_eq!(fs::read(&secret).expect("read"), b"after");
    assert_eq!(names(&path), ["format", "lock", "secret"]);
}

#[test]
fn a_second_opening_is_refused_and_told_by_whom() {
    let directory = new();
    let first = DataDirectory::open_or_create(directory.path()).expect("made");
    for second in [DataDirectory::open_existing(directory.path()), DataDirectory::open_or_create(directory.path())] {
        match second {
            Err(DirectoryError::InUse { pid }) => assert_eq!(pid, Some(process::id())),
            other => panic!("{other:?}"),
        }
    }
    drop(first);
    // The file is still there with the old process in it; it is the lock that counts.
    DataDirectory::open_existing(directory.path()).expect("free again");
}

#[test]
fn a_newer_format_is_refused_and_left_untouched() {
    let directory = new();
    fs::write(directory.path().join("format"), "ucash 2\n").expect("written");
    for opened in [DataDirectory::open_existing(directory.path()), DataDirectory::open_or_create(directory.path())] {
        match opened {
            Err(DirectoryError::TooNew { found, supported }) => assert_eq!((found, supported), (2, FORMAT_SUPPORTED)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names(directory.path()), ["format"]);
}

#[test]
fn a_format_that_is_none_is_quoted() {
    for garbage in
        ["", "ucash", "ucash 1", "ucash 0\n", "ucash 01\n", "ucash +1\n", "ucash 1\n\n", "ucash 1.0\n", "\0\0"]
    {
        let directory = new();
        fs::write(directory.path().join("format"), garbage).expect("written");
        match DataDirectory::open_or_create(directory.path()) {
            Err(DirectoryError::FormatUnreadable { found, .. }) => assert_eq!(found, garbage),
            other => panic!("{garbage:?}: {other:?}"),
        }
        assert_eq!(names(directory.path()), ["format"]);
    }
    let directory = new();
    fs::write(directory.path().join("format"), [0xff; 100_000]).expect("written");
    let refused = DataDirectory::open_existing(directory.path());
    assert!(matches!(refused, Err(DirectoryError::FormatUnreadable { found, .. }) if found.chars().count() == 64));
}

#[test]
fn settings_may_come_first_but_data_without_a_format_is_refused() {
    let directory = new();
    fs::write(directory.path().join("ucash.toml"), "").expect("written");
    assert!(matches!(DataDirectory::open_existing(directory.path()), Err(DirectoryError::FormatMissing { .. })));
    assert_eq!(names(directory.path()), ["ucash.toml"]);
    drop(DataDirectory::open_or_create(directory.path()).expect("made"));

    fs::create_dir(directory.path().join("store")).expect("made");
    fs::remove_file(directory.path().join("format")).expect("removed");
    let refused = DataDirectory::open_or_create(directory.path());
    assert!(matches!(refused, Err(DirectoryError::FormatMissing { .. })), "{refused:?}");
}

#[test]
fn a_file_in_its_place_is_named() {
    let directory = new();
    let file = directory.path().join("file");
    fs::write(&file, "").expect("written");
    for path in [file.clone(), file.join("below")] {
        let refused = DataDirectory::open_or_create(&path);
        assert!(matches!(refused, Err(DirectoryError::NotADirectory { .. })), "{refused:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let directory = new();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).expect("read-only");
    if fs::write(directory.path().join("probe"), "").is_ok() {
        // Permissions mean nothing to the superuser.
        return;
    }
    for path in [directory.path().to_owned(), directory.path().join("below")] {
        let refused = DataDirectory::open_or_create(&path);
        assert!(matches!(refused, Err(DirectoryError::NotWritable { .. })), "{refused:?}");
    }
}
