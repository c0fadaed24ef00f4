//! The data directory: made once, private, one process at a time, of a known format.
//!
//! ```text
//! open ──> format known? ──> lock ──> format again, or written ──> DataDirectory
//!            TooNew           InUse
//! ```
//!
//! The format is read before anything is touched, so that an old program leaves a newer directory exactly as it found
//! it. It is read again under the lock, because another process may have made it in between.
//!
//! Nothing here removes or repairs anything, and every refusal has a variant of its own that the faces put into words.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use thiserror::Error;

use super::heads;

/// The format this program reads and writes.
pub const FORMAT_SUPPORTED: u64 = 1;

const FORMAT: &str = "format";
const LOCK: &str = "lock";
const STORE: &str = "store";
/// More than a format or lock file ever holds, and little enough to quote.
const SMALL_FILE_BYTES_MAX: u64 = 64;

/// Why the data directory cannot be used, or a file in it not written.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// There is no such directory.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The data directory.
        path: PathBuf,
    },
    /// Something else has that name.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// What was to be the data directory.
        path: PathBuf,
    },
    /// This user may not write there, or nobody may.
    #[error("{} cannot be written", path.display())]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("in use by {}", pid.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    InUse {
        /// The process, if it has said so.
        pid: Option<u32>,
    },
    /// The file system or the platform has no locks, so nothing would keep a second process out.
    #[error("{} cannot be locked on this system", path.display())]
    LocksUnsupported {
        /// The lock file.
        path: PathBuf,
    },
    /// A newer program wrote it. Nothing was touched.
    #[error("format {found} is newer than {supported}, the newest this program knows")]
    TooNew {
        /// The format on disk.
        found: u64,
        /// [`FORMAT_SUPPORTED`].
        supported: u64,
    },
    /// The format file holds something else.
    #[error("{} does not name a format: {found:?}", path.display())]
    FormatUnreadable {
        /// The format file.
        path: PathBuf,
        /// The beginning of what it holds.
        found: String,
    },
    /// There is no format file: not made by this program, or its format file was lost.
    #[error("{} has no format file", path.display())]
    FormatMissing {
        /// The data directory.
        path: PathBuf,
    },
    /// The disk has no room.
    #[error("the disk is full: {} cannot be written", path.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was attempted: "create", "read", "write", "lock", "sync", "rename".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DirectoryError {
    /// Gives the errors that people can act on their own variants.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            _ if is_full(&source) => DirectoryError::Full { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if doing != "read" => {
                DirectoryError::NotWritable { path }
            }
            ErrorKind::NotADirectory => DirectoryError::NotADirectory { path },
            _ => DirectoryError::Io { doing, path, source },
        }
    }
}

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// The lock lives as long as this handle.
    _lock: File,
}

impl DataDirectory {
    /// Opens the directory, making it first if it is not there or has nothing of ours in it.
    ///
    /// # Errors
    ///
    /// Every variant of [`DirectoryError`] but [`DirectoryError::Missing`].
    pub fn open_or_create(path: &Path) -> Result<Self, DirectoryError> {
        match kind_of(path)? {
            Kind::Missing => create(path)?,
            Kind::Directory => {}
        }
        if read_format(path)?.is_none() {
            refuse_orphan(path)?;
        }
        let lock = take_lock(path)?;
        if read_format(path)?.is_none() {
            let format = format!("ucash {FORMAT_SUPPORTED}\n");
            write_atomically(&path.join(FORMAT), format.as_bytes(), 0o600)?;
        }
        Ok(DataDirectory { path: path.to_owned(), _lock: lock })
    }

    /// Opens a directory that was made before.
    ///
    /// # Errors
    ///
    /// Every variant of [`DirectoryError`].
    pub fn open_existing(path: &Path) -> Result<Self, DirectoryError> {
        if kind_of(path)? == Kind::Missing {
            return Err(DirectoryError::Missing { path: path.to_owned() });
        }
        let known = || read_format(path)?.ok_or_else(|| DirectoryError::FormatMissing { path: path.to_owned() });
        known()?;
        let lock = take_lock(path)?;
        known()?;
        Ok(DataDirectory { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is to be.
    pub fn store_path(&self) -> PathBuf {
        self.path.join(STORE)
    }
}

/// Replaces a file so that after a crash there is the old content or the new, never a mixture, and after this returns
/// the new, even after a loss of power. `mode` is the file's permissions where there are such; secrets want 0o600.
///
/// # Errors
///
/// [`DirectoryError::NotWritable`], [`DirectoryError::Full`], [`DirectoryError::NotADirectory`] or
/// [`DirectoryError::Io`]. The old content is then still there, unless only the last step, syncing the directory,
/// failed.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DirectoryError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".tmp");
    let draft = PathBuf::from(draft);
    // A draft that a crash left behind may have other permissions than those asked for now.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(DirectoryError::io("write", &draft)(error)),
        _ => {}
    }
    let written = create_file(&draft, mode).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = match written {
        Ok(()) => fs::rename(&draft, path).map_err(DirectoryError::io("rename", path)),
        Err(error) => Err(DirectoryError::io("write", path)(error)),
    };
    if renamed.is_err() {
        // It is only a draft; the error that matters is the one returned.
        let _ = fs::remove_file(&draft);
    }
    renamed?;
    let directory = parent_of(path);
    sync_directory(directory).map_err(DirectoryError::io("sync", directory))
}

/// Makes the names in a directory durable. Where directories cannot be synced, their names need not be.
pub(in crate::node) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The directory a path is in.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        // The root is its own parent.
        None => path,
    }
}

/// Whether there was no room, or none left for this user.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[derive(PartialEq, Eq)]
enum Kind {
    Missing,
    Directory,
}

fn kind_of(path: &Path) -> Result<Kind, DirectoryError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(Kind::Directory),
        Ok(_) => Err(DirectoryError::NotADirectory { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Kind::Missing),
        Err(error) => Err(DirectoryError::io("read", path)(error)),
    }
}

/// Makes the directory and those above it, private, and makes their names durable.
fn create(path: &Path) -> Result<(), DirectoryError> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(DirectoryError::io("create", path))?;
    for made in missing.into_iter().rev() {
        let above = parent_of(made);
        sync_directory(above).map_err(DirectoryError::io("sync", above))?;
    }
    sync_directory(path).map_err(DirectoryError::io("sync", path))
}

/// Refuses a directory that holds our data and no format: starting afresh in it would pass for an empty ledger.
/// Other files are no obstacle: settings and certificates may be put there before the first start.
fn refuse_orphan(path: &Path) -> Result<(), DirectoryError> {
    if [STORE, heads::NAME].iter().any(|name| path.join(name).exists()) {
        return Err(DirectoryError::FormatMissing { path: path.to_owned() });
    }
    Ok(())
}

/// The format of the directory, if there is one and it is one we know.
fn read_format(directory: &Path) -> Result<Option<u64>, DirectoryError> {
    let path = directory.join(FORMAT);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(DirectoryError::io("read", &path))?,
    };
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(DirectoryError::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    let number = text.strip_prefix("ucash ").and_then(|rest| rest.strip_suffix('\n')).and_then(|digits| {
        let number: u64 = digits.parse().ok()?;
        (number > 0 && number.to_string() == digits).then_some(number)
    });
    match number {
        None => Err(DirectoryError::FormatUnreadable { path, found: text.into_owned() }),
        Some(found) if found > FORMAT_SUPPORTED => Err(DirectoryError::TooNew { found, supported: FORMAT_SUPPORTED }),
        known => Ok(known),
    }
}

/// Takes the lock and says who has it. The file stays when the lock is let go: only the lock counts, never the file.
fn take_lock(directory: &Path) -> Result<File, DirectoryError> {
    let path = directory.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(DirectoryError::io("lock", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Where locks are mandatory the file cannot be read, and then nobody is named.
            let read = file.take(SMALL_FILE_BYTES_MAX).read_to_string(&mut text);
            return Err(DirectoryError::InUse { pid: read.ok().and_then(|_| text.trim().parse().ok()) });
        }
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            return Err(DirectoryError::LocksUnsupported { path });
        }
        Err(TryLockError::Error(error)) => return Err(DirectoryError::io("lock", &path)(error)),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", process::id()));
    written.map_err(DirectoryError::io("lock", &path))?;
    Ok(file)
}

fn create_file(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}
