//! A damaged directory, made usable again.
//!
//! ```text
//! store/  ──what a signature proves──> store.new/    in a new incarnation; what is lost is named there
//! store/  ──────────rename───────────> store.damaged-1/    kept, for whoever wants to look
//! store.new/  ──────rename───────────> store/
//! heads   ──────────written anew
//! ```
//!
//! Cut off anywhere, it begins again at the next start. It never removes what was damaged, and never believes what
//! nothing proves. What the device had written and others hold comes back with the next comparison.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::clock::random;
use super::home::{Home, HomeError};
use super::place;
use super::storage::{DirectoryError, HeadsError, HeadsFile, OpenError, SledStore, sync_directory};
use crate::model::DeviceKey;
use crate::replica::{BootError, LostView, Replica, ReplicaError};
use crate::store::{MemoryStore, StoreError};

/// Damaged stores that may be kept beside each other; then somebody must look.
const KEPT_MAX: u32 = 100;

/// What was done about a damaged directory.
#[derive(Debug)]
pub struct Rescue {
    /// What was wrong, in words.
    pub why: String,
    /// Where the damaged store was put; none if there was none any more.
    pub kept_in: Option<PathBuf>,
    /// Entries that could be proven and go on.
    pub entries: u64,
    /// Entries that others must bring back.
    pub lost: Vec<LostView>,
    /// Whether that is all that is lost: not known where the heads file itself was damaged or missing.
    pub is_all_named: bool,
    /// Whether answers by key, invitations or settings are or may be missing.
    pub own_records_lost: bool,
}

/// Whether an error says that the directory's data are damaged, so that a rescue helps.
pub fn is_damage(error: &HomeError) -> bool {
    match error {
        HomeError::Open(error) => matches!(error, OpenError::Damaged { .. }),
        HomeError::Heads(error) => matches!(
            error,
            HeadsError::Damaged { .. }
                | HeadsError::Missing { .. }
                | HeadsError::Behind { .. }
                | HeadsError::Store(StoreError::Damaged(_))
        ),
        HomeError::Boot(error) => matches!(
            error,
            BootError::Damaged(_)
                | BootError::Replica(ReplicaError::Damaged(_) | ReplicaError::Store(StoreError::Damaged(_)))
        ),
        _ => false,
    }
}

impl Home {
    /// Opens the device's replica; where its data are damaged, as much of them as can be proven.
    pub fn replica_or_rescue(&mut self) -> Result<(Replica<SledStore>, Option<Rescue>), HomeError> {
        match self.replica() {
            Ok(replica) => Ok((replica, None)),
            Err(error) if is_damage(&error) => {
                let (replica, rescue) = self.rescue(&error)?;
                Ok((replica, Some(rescue)))
            }
            Err(error) => Err(error),
        }
    }

    fn rescue(&mut self, why: &HomeError) -> Result<(Replica<SledStore>, Rescue), HomeError> {
        let (identity, authority) = self.named_identity()?;
        let fresh_path = self.path().join("store.new");
        let work_path = self.path().join("store.work");
        for path in [&fresh_path, &work_path] {
            remove_all(path)?;
        }
        let heads = HeadsFile::read(self.path()).ok().filter(|_| HeadsFile::exists(self.path()));
        let (is_all_named, heads) = (heads.is_some(), heads.unwrap_or_default());
        let fresh = SledStore::open(&fresh_path, super::home::CACHE_BYTES)?;
        let damaged = self.open_damaged(&work_path, &fresh_path);
        let seed = random();
        let (replica, salvaged) = match &damaged {
            Some(store) => Replica::salvage(store, fresh, identity, authority, seed, &heads),
            None => Replica::salvage(&MemoryStore::default(), fresh, identity, authority, seed, &heads),
        }?;
        let lost = salvaged.lost.iter().map(|lost| replica.lost_view(lost)).collect();
        let new_heads = replica.heads();
        drop(replica);
        drop(damaged);

        let store = self.store_path();
        let kept_in = if store.exists() { Some(self.put_aside(&store)?) } else { None };
        fs::rename(&fresh_path, &store).map_err(DirectoryError::of("rename", &store))?;
        sync_directory(self.path()).map_err(DirectoryError::of("sync", self.path()))?;
        HeadsFile::write(self.path(), &new_heads)?;
        // Another file is the database now, and this is no copy.
        place::keep(self.path())?;
        remove_all(&work_path)?;
        let rescue = Rescue {
            why: why.to_string(),
            kept_in,
            entries: salvaged.entries,
            lost,
            is_all_named,
            own_records_lost: salvaged.own_records_lost,
        };
        tracing::error!(
            why = rescue.why,
            kept_in = ?rescue.kept_in,
            entries = rescue.entries,
            lost = ?rescue.lost,
            "the data were damaged: what could be proven goes on in a new life"
        );
        Ok((self.replica()?, rescue))
    }

    /// The damaged store, if it can be opened in any way: as it is, without its snapshot (which sled makes again from
    /// its log), or with settings that were never damaged. The last two on a copy.
    fn open_damaged(&self, work: &Path, fresh: &Path) -> Option<SledStore> {
        let store = self.store_path();
        if !store.exists() {
            return None;
        }
        let open = |path: &Path| SledStore::open(path, super::home::CACHE_BYTES).ok();
        open(&store).or_else(|| {
            copy_flat(&store, work).ok()?;
            for entry in fs::read_dir(work).ok()?.flatten() {
                if entry.file_name().to_string_lossy().starts_with("snap.") {
                    fs::remove_file(entry.path()).ok()?;
                }
            }
            open(work).or_else(|| {
                fs::copy(fresh.join("conf"), work.join("conf")).ok()?;
                open(work)
            })
        })
    }

    fn put_aside(&self, store: &Path) -> Result<PathBuf, HomeError> {
        let free = (1..=KEPT_MAX).map(|n| self.path().join(format!("store.damaged-{n}"))).find(|path| !path.exists());
        let place = free.ok_or_else(|| {
            let full = io::Error::other("too many damaged stores are kept beside it");
            DirectoryError::of("rename", store)(full)
        })?;
        fs::rename(store, &place).map_err(DirectoryError::of("rename", store))?;
        Ok(place)
    }

    /// A rescue that was cut off between its two renames is finished.
    pub fn finish_rescue(&self) -> Result<(), HomeError> {
        let (store, fresh) = (self.store_path(), self.path().join("store.new"));
        if !store.exists() && fresh.exists() {
            fs::rename(&fresh, &store).map_err(DirectoryError::of("rename", &store))?;
            sync_directory(self.path()).map_err(DirectoryError::of("sync", self.path()))?;
        }
        Ok(())
    }

    fn named_identity(&self) -> Result<(crate::replica::Identity, DeviceKey), HomeError> {
        let identity = self.identity()?.ok_or_else(|| HomeError::NoDevice { path: self.path().to_owned() })?;
        let authority = self.authority()?.ok_or_else(|| HomeError::Identity {
            path: self.path().join("identity"),
            detail: "it does not name the network's authority".to_owned(),
        })?;
        Ok((identity, authority))
    }
}

fn remove_all(path: &Path) -> Result<(), HomeError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DirectoryError::of("clean up", path)(error).into())
        }
        _ => Ok(()),
    }
}

/// Copies a directory of files and of directories of files.
fn copy_flat(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_flat(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
