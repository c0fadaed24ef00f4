//! Where a directory was last at work, so that a copy of it knows that it is one.
//!
//! A copy that went on under the old incarnation would write other entries under the same numbers and spend the same
//! share again (`docs/adr/0015`). Other devices would tell, but not before they are met. So a note in the directory says
//! which file its database is: a copy of the directory holds the note, and another file.
//!
//! | inode | born | path | what it is |
//! | --- | --- | --- | --- |
//! | same | same, or not told | any | the same directory, perhaps renamed |
//! | other | same | same | the same: some file systems (FAT) number anew at each mount |
//! | anything else | | | a copy, or a copy brought back |
//!
//! The device number counts for nothing: it changes from boot to boot. What a disk image brings back with everything
//! in it is not seen here; that is noticed when another device is met.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::storage::{DirectoryError, write_atomically};

const NAME: &str = "place";

/// Which file a directory's database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    path: PathBuf,
    /// Zero where the platform has none.
    inode: u64,
    /// When the file was made, in nanoseconds since 1970, where the file system tells.
    born: Option<u64>,
}

impl Place {
    fn of(directory: &Path) -> std::io::Result<Place> {
        // The database: the one file that nobody removes because it looks superfluous.
        let found = fs::metadata(directory.join("store").join("db"))?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&found);
        #[cfg(not(unix))]
        let inode = 0;
        let since = found.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
        Ok(Place { path: directory.canonicalize()?, inode, born })
    }

    /// Whether `self`, found now, is another directory than the one noted.
    fn is_copy_of(&self, noted: &Place) -> bool {
        if self.inode == noted.inode {
            // A file system that tells now and did not then, or the other way round, is another one.
            return self.born != noted.born;
        }
        self.born.is_none() || self.born != noted.born || self.path != noted.path
    }
}

/// Where the directory was at work that this one is a copy of; nothing if it is none, or holds no note yet. A note that
/// cannot be read says nothing good: what it stands in is taken for a copy.
pub(super) fn copied_from(directory: &Path) -> Option<PathBuf> {
    let text = match fs::read(directory.join(NAME)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        read => read.unwrap_or_default(),
    };
    let Ok(noted) = serde_json::from_slice::<Place>(&text) else { return Some(PathBuf::from("?")) };
    let now = Place::of(directory).ok()?;
    now.is_copy_of(&noted).then_some(noted.path)
}

/// Notes where the directory is at work. Done once nothing of it can be written under an old incarnation any more.
pub(super) fn keep(directory: &Path) -> Result<(), DirectoryError> {
    let io = |source| DirectoryError::Io { doing: "read", path: directory.to_owned(), source };
    let place = Place::of(directory).map_err(io)?;
    let mut bytes = serde_json::to_vec(&place).map_err(|error| io(error.into()))?;
    bytes.push(b'\n');
    let path = directory.join(NAME);
    if fs::read(&path).is_ok_and(|kept| kept == bytes) {
        return Ok(());
    }
    write_atomically(&path, &bytes, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_copy() {
        let place = |inode, born, path: &str| Place { path: PathBuf::from(path), inode, born };
        let noted = place(7, Some(100), "/a");
        let table = [
            (place(7, Some(100), "/a"), false),
            (place(7, Some(100), "/b"), false),
            (place(8, Some(100), "/a"), false),
            (place(8, Some(100), "/b"), true),
            (place(8, Some(101), "/a"), true),
            (place(7, Some(101), "/a"), true),
            (place(7, None, "/a"), true),
            (place(8, None, "/a"), true),
        ];
        for (found, expected) in table {
            assert_eq!(found.is_copy_of(&noted), expected, "{found:?}");
        }
        let untold = place(7, None, "/a");
        assert!(!place(7, None, "/b").is_copy_of(&untold));
        assert!(place(8, None, "/a").is_copy_of(&untold));
        assert!(place(7, Some(1), "/a").is_copy_of(&untold));
    }
}
