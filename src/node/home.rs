//! A device's directory: locked, with its identity, its store, and the heads kept beside the store.
//!
//! ```text
//! lock, format   ours, and of a version we know (`storage::directory`)
//! identity       the device's secrets, mode 0600
//! store/         sled
//! heads          how far each log must at least be (finding 2)
//! store.damaged-N  a store that was damaged and set apart (`rescue`)
//! reserve        room for the day when the disk is full
//! place          which file the database is: by it a copy knows that it is one (`place`)
//! restoring      while a backup is restored: what is there is not whole
//! peers.json     addresses of trusted devices
//! node.json      while a node runs: where its API is, and the local credential
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::clock::{instant, random};
use super::place;
use super::storage::{
    DataDirectory, DirectoryError, Heads, HeadsError, HeadsFile, Held, OpenError, SledStore, sync_directory,
    write_atomically,
};
use crate::log::SigningKey;
use crate::model::DeviceKey;
use crate::replica::{BootError, Identity, Replica, ReplicaError};
use crate::store::{Store, StoreError};

/// Pages that sled keeps in memory: a burst of received entries fits, and a phone can spare it (finding 3).
pub(super) const CACHE_BYTES: u64 = 48 << 20;

/// What is kept on the disk for the day when it is full: sled needs some room to open. Incompressible.
const RESERVE_BYTES: usize = 4 << 20;

/// What must be free before anything is written: the database grows by half as much at a time.
const ROOM_BYTES: usize = 1 << 20;
/// What a small file beside the database takes at most.
const SMALL_FILE_BYTES: u64 = 64 << 10;

/// Stands in a directory while a backup is restored into it.
pub(super) const RESTORING: &str = "restoring";

/// What stands in a directory that holds a device, or held one.
const OURS: [&str; 4] = ["identity", "store", "heads", "place"];

/// Why a device's directory could not be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// The directory itself.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store in it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The heads beside the store.
    #[error(transparent)]
    Heads(#[from] HeadsError),
    /// What the store holds.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The identity cannot be read.
    #[error("the identity in {} is unreadable: {detail}", path.display())]
    Identity {
        /// Its file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// There is no device in this directory.
    #[error("{} holds no device", path.display())]
    NoDevice {
        /// The directory.
        path: PathBuf,
    },
    /// A restore into this directory came to no end.
    #[error("a restore into {} came to no end", path.display())]
    HalfRestored {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is a copy, and what it holds is not whole: it was made while a node was writing.
    #[error("the copy of {} is not whole: {fault}", original.display())]
    TornCopy {
        /// Where the original was at work.
        original: PathBuf,
        /// What is wrong with it first of all.
        fault: String,
    },
    /// There is a device in this directory already.
    #[error("{} holds a device already", path.display())]
    DeviceExists {
        /// The directory.
        path: PathBuf,
    },
}

/// The identity as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    device: String,
    authority: Option<String>,
    gossip: Option<String>,
    /// The public key of the network's authority: with it a device whose store is lost can begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// Over all of the above: one letter that was changed by a failing disk would make another, valid key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

impl Kept {
    fn sum(&self) -> String {
        let parts = [Some(&self.device), self.authority.as_ref(), self.gossip.as_ref(), self.network.as_ref()];
        let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/identity-check");
        for part in parts {
            let part = part.map_or("-", String::as_str);
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        encode(&hasher.finalize().as_bytes()[..16])
    }
}

/// What a running node tells the commands of its directory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Address and port of its API.
    pub http: String,
    /// What shows that a command may read this directory.
    pub credential: String,
    /// Its process.
    pub pid: u32,
}

/// Without the credential: what is shown ends in logs.
impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Running { http, pid, .. } = self;
        formatter.debug_struct("Running").field("http", http).field("pid", pid).finish_non_exhaustive()
    }
}

/// A directory that is ours while this lives.
pub(super) struct Home {
    directory: DataDirectory,
    heads: Option<HeadsFile>,
    /// Where the original was at work, if this directory was found to be a copy.
    copied_from: Option<PathBuf>,
}

/// Writes a file that no file system can make shorter.
fn fill(path: &Path, length: usize) -> std::io::Result<()> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let mut file = std::fs::File::create(path)?;
    file.write_all(&bytes)?;
    file.flush()
}

fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn decode(text: &str) -> Option<[u8; 32]> {
    data_encoding::BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?.try_into().ok()
}

/// Refuses a directory that a restore has not filled: what is there is a part of a ledger.
fn refuse_half_restored(path: &Path) -> Result<(), HomeError> {
    if path.join(RESTORING).exists() { Err(HomeError::HalfRestored { path: path.to_owned() }) } else { Ok(()) }
}

fn remove_ours(path: &Path) -> std::io::Result<()> {
    for name in OURS {
        let path = path.join(name);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The identity in the text of its file.
pub(super) fn identity_in(text: &str) -> Result<Identity, HomeError> {
    let unreadable = |detail: &str| HomeError::Identity { path: PathBuf::from("identity"), detail: detail.to_owned() };
    let kept: Kept = serde_json::from_str(text).map_err(|_| unreadable("it is not what was written"))?;
    let key = |text: &str| decode(text).ok_or_else(|| unreadable("a key is not 32 bytes in base32"));
    let gossip = kept.gossip.ok_or_else(|| unreadable("it is not whole"))?;
    let authority = kept.authority.as_deref().map(key).transpose()?;
    Ok(Identity {
        key: SigningKey::from_seed(&key(&kept.device)?),
        authority_key: authority.map(|seed| SigningKey::from_seed(&seed)),
        gossip_key: key(&gossip)?,
    })
}

impl Home {
    pub fn open_or_create(path: &Path) -> Result<Home, HomeError> {
        refuse_half_restored(path)?;
        Ok(Home { directory: DataDirectory::open_or_create(path)?, heads: None, copied_from: None })
    }

    pub fn open(path: &Path) -> Result<Home, HomeError> {
        let no_device = || HomeError::NoDevice { path: path.to_owned() };
        if !path.exists() {
            return Err(no_device());
        }
        refuse_half_restored(path)?;
        let directory = DataDirectory::open_existing(path).map_err(|error| match error {
            // Somebody's directory in which nothing is ours. One that lost its format is another matter.
            DirectoryError::FormatMissing { .. } if !OURS.iter().any(|name| path.join(name).exists()) => no_device(),
            error => error.into(),
        })?;
        Ok(Home { directory, heads: None, copied_from: None })
    }

    /// Begins to fill a directory that holds no device, or what a restore that was cut off has left there.
    pub fn begin_restore(path: &Path) -> Result<Home, HomeError> {
        let was_cut_off = path.join(RESTORING).exists();
        if !was_cut_off && OURS.iter().any(|name| path.join(name).exists()) {
            return Err(HomeError::DeviceExists { path: path.to_owned() });
        }
        let directory = DataDirectory::open_or_create(path)?;
        // Before anything else is there, and durable before it: see `refuse_half_restored`.
        write_atomically(&path.join(RESTORING), b"", 0o600)?;
        remove_ours(path).map_err(|source| DirectoryError::Io { doing: "clear", path: path.to_owned(), source })?;
        Ok(Home { directory, heads: None, copied_from: None })
    }

    /// Takes away what a restore has left. The mark goes last: if this is cut off too, it is done another time.
    pub fn give_up_restore(path: &Path) {
        if remove_ours(path).is_ok() {
            let _ = std::fs::remove_file(path.join(RESTORING));
        }
    }

    /// All is there and durable.
    pub fn end_restore(&self) -> Result<(), HomeError> {
        let mark = self.path().join(RESTORING);
        let removed = std::fs::remove_file(&mark).and_then(|()| sync_directory(self.path()));
        removed.map_err(|source| DirectoryError::Io { doing: "remove", path: mark, source })?;
        Ok(())
    }

    /// Writes one of the directory's files.
    pub fn put_file(&self, name: &str, text: &str) -> Result<(), HomeError> {
        Ok(write_atomically(&self.path().join(name), text.as_bytes(), 0o600)?)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn address_book(&self) -> PathBuf {
        self.path().join("peers.json")
    }

    fn identity_file(&self) -> PathBuf {
        self.path().join("identity")
    }

    fn read_identity(&self) -> Result<Option<Kept>, HomeError> {
        let path = self.identity_file();
        let unreadable = |detail: String| HomeError::Identity { path: path.clone(), detail };
        match std::fs::read(&path) {
            Ok(bytes) => {
                let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
                match &kept.check {
                    Some(check) if *check != kept.sum() => {
                        Err(unreadable("its checksum is wrong: the file was changed or damaged".to_owned()))
                    }
                    _ => Ok(Some(kept)),
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    fn key_of(&self, text: &str) -> Result<[u8; 32], HomeError> {
        decode(text).ok_or_else(|| HomeError::Identity {
            path: self.identity_file(),
            detail: "a key is not 32 bytes in base32".to_owned(),
        })
    }

    fn keep(&self, mut kept: Kept) -> Result<(), HomeError> {
        kept.check = Some(kept.sum());
        let mut bytes = serde_json::to_vec_pretty(&kept)
            .map_err(|error| HomeError::Identity { path: self.identity_file(), detail: error.to_string() })?;
        bytes.push(b'\n');
        write_atomically(&self.identity_file(), &bytes, 0o600)?;
        Ok(())
    }

    /// The device's key: made and kept if there is none, so that a joiner that was cut off asks again as the same.
    pub fn device_key(&self) -> Result<SigningKey, HomeError> {
        if let Some(kept) = self.read_identity()? {
            return Ok(SigningKey::from_seed(&self.key_of(&kept.device)?));
        }
        let seed: [u8; 32] = random();
        self.keep(Kept { device: encode(&seed), authority: None, gossip: None, network: None, check: None })?;
        Ok(SigningKey::from_seed(&seed))
    }

    /// Makes the identity of a founder, or finds the one of a founding that was cut off.
    pub fn founder_identity(&self) -> Result<Identity, HomeError> {
        if let Some(identity) = self.identity()?.filter(|identity| identity.authority_key.is_some()) {
            return Ok(identity);
        }
        let key = self.device_key()?;
        let authority: [u8; 32] = random();
        let identity = Identity { key, authority_key: Some(SigningKey::from_seed(&authority)), gossip_key: random() };
        self.keep_identity(&identity, SigningKey::from_seed(&authority).public())?;
        Ok(identity)
    }

    /// Keeps the identity of a device of the network that this authority founded.
    pub fn keep_identity(&self, identity: &Identity, authority: DeviceKey) -> Result<(), HomeError> {
        self.keep(Kept {
            device: encode(&identity.key.seed()),
            authority: identity.authority_key.as_ref().map(|key| encode(&key.seed())),
            gossip: Some(encode(&identity.gossip_key)),
            network: Some(encode(&authority.0)),
            check: None,
        })
    }

    /// The public key of the network's authority, if the identity names it.
    pub fn authority(&self) -> Result<Option<DeviceKey>, HomeError> {
        let Some(kept) = self.read_identity()? else { return Ok(None) };
        if let Some(network) = &kept.network {
            return Ok(Some(DeviceKey(self.key_of(network)?)));
        }
        // A directory made before the identity named it: the founder's still does.
        let authority = kept.authority.as_deref().map(|text| self.key_of(text)).transpose()?;
        Ok(authority.map(|seed| SigningKey::from_seed(&seed).public()))
    }

    /// The identity, once it is whole.
    pub fn identity(&self) -> Result<Option<Identity>, HomeError> {
        let Some(kept) = self.read_identity()? else { return Ok(None) };
        let Some(gossip) = kept.gossip else { return Ok(None) };
        let authority = kept.authority.as_deref().map(|text| self.key_of(text)).transpose()?;
        Ok(Some(Identity {
            key: SigningKey::from_seed(&self.key_of(&kept.device)?),
            authority_key: authority.map(|seed| SigningKey::from_seed(&seed)),
            gossip_key: self.key_of(&gossip)?,
        }))
    }

    /// What shows that a command may read this directory: the same at every start, and nothing can be learnt from
    /// it about the key it is made of.
    pub fn credential(&self) -> Result<String, HomeError> {
        let secret = blake3::derive_key("ucash/v1/local-credential", &self.device_key()?.seed());
        Ok(data_encoding::HEXLOWER.encode(&secret))
    }

    pub fn store_path(&self) -> PathBuf {
        self.directory.store_path()
    }

    /// The database, made if there is none: then with a heads file beside it, so that its absence means something.
    pub fn store(&self) -> Result<SledStore, HomeError> {
        if !self.store_path().exists() && !HeadsFile::exists(self.path()) {
            HeadsFile::write(self.path(), &Heads::new())?;
        }
        match SledStore::open(&self.store_path(), CACHE_BYTES) {
            // sled writes when it opens: that is what the reserve is for.
            Err(OpenError::Full { .. }) if self.give_up_reserve() => {}
            opened => return Ok(opened?),
        }
        Ok(SledStore::open(&self.store_path(), CACHE_BYTES)?)
    }

    fn reserve_file(&self) -> PathBuf {
        self.path().join("reserve")
    }

    /// Makes sure that the reserve is there: as long as it is, a full disk can still be opened. Without it nothing is to
    /// be written.
    pub fn has_reserve(&self) -> bool {
        let path = self.reserve_file();
        // Some of it may have been given up for a small file.
        if std::fs::metadata(&path).is_ok_and(|found| found.len() >= RESERVE_BYTES as u64 / 2) {
            return true;
        }
        let written = fill(&path, RESERVE_BYTES);
        if written.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        written.is_ok()
    }

    /// The reserve of a new directory.
    pub fn need_reserve(&self) -> Result<(), HomeError> {
        match self.has_reserve() {
            true => Ok(()),
            false => Err(DirectoryError::Full { path: self.reserve_file() }.into()),
        }
    }

    fn give_up_reserve(&self) -> bool {
        std::fs::remove_file(self.reserve_file()).is_ok()
    }

    /// Gives up as much of the reserve as a small file takes.
    fn give_some_reserve(&self) {
        let file = std::fs::File::options().write(true).open(self.reserve_file());
        let shorter = |file: std::fs::File| {
            let length = file.metadata()?.len();
            file.set_len(length.saturating_sub(SMALL_FILE_BYTES))
        };
        if let Err(error) = file.and_then(shorter) {
            tracing::debug!(%error, "nothing of the reserve could be given up");
        }
    }

    /// Whether the disk has room for the next piece of the database.
    pub fn has_room(&self) -> bool {
        let path = self.path().join("reserve.tmp");
        let written = fill(&path, ROOM_BYTES);
        let _ = std::fs::remove_file(&path);
        written.is_ok()
    }

    /// The heads file, for whoever keeps it from now on.
    pub fn take_heads(&mut self) -> Option<HeadsFile> {
        self.heads.take()
    }

    /// Opens the device's replica and has its logs confirmed by the heads file. In a copied directory everything is
    /// checked, and the replica goes on as a new incarnation.
    pub fn replica(&mut self) -> Result<Replica<SledStore>, HomeError> {
        let no_device = || HomeError::NoDevice { path: self.path().to_owned() };
        self.finish_rescue()?;
        let missing = || match self.store_path().exists() {
            true => HomeError::Identity { path: self.identity_file(), detail: "it is missing".to_owned() },
            false => no_device(),
        };
        let identity = self.identity()?.ok_or_else(missing)?;
        // Before the store is touched: opening it would make the database where there is none.
        let copied_from = place::copied_from(self.path());
        if self.store_path().exists() && !HeadsFile::exists(self.path()) {
            return Err(HeadsError::Missing { path: self.path().join("heads") }.into());
        }
        let mut replica = match Replica::open(self.store()?, identity, random()) {
            Err(BootError::Emptiness { .. }) => {
                // A store that holds nothing where there were logs is not a new one.
                HeadsFile::open(self.path(), |_, _| Ok(Held::Nothing))?;
                return Err(no_device());
            }
            other => other?,
        };
        if self.read_identity()?.is_some_and(|kept| kept.network.is_none()) {
            // Made before the identity named its network.
            self.keep_identity(&replica.identity(), replica.registry().authority())?;
        }
        self.confirm(&replica)?;
        if let Some(original) = copied_from {
            let found = replica.verify().map_err(BootError::from)?;
            if !found.sound {
                let fault = found.faults.into_iter().next().unwrap_or_default();
                return Err(HomeError::TornCopy { original, fault });
            }
            replica.begin_anew().map_err(BootError::from)?;
            tracing::warn!(original = %original.display(), "this directory is a copy: it goes on as a new incarnation");
            self.copied_from = Some(original);
        }
        place::keep(self.path())?;
        if !self.has_reserve() || !self.has_room() {
            tracing::error!("the disk is full: nothing is written until there is room");
            replica.stop_for_room();
        }
        Ok(replica)
    }

    /// Where the original was at work, if this directory was found to be a copy when its replica was opened.
    pub fn copied_from(&self) -> Option<PathBuf> {
        self.copied_from.clone()
    }

    /// Begins to keep the heads of a replica that was just made here.
    pub fn watch<S: Store>(&mut self, replica: &Replica<S>) -> Result<(), HomeError> {
        self.confirm(replica)?;
        Ok(place::keep(self.path())?)
    }

    fn confirm<S: Store>(&mut self, replica: &Replica<S>) -> Result<(), HomeError> {
        let heads = replica.heads();
        let failed = |error: ReplicaError| match error {
            ReplicaError::Store(error) => error,
            other => StoreError::Damaged(other.to_string()),
        };
        let written = HeadsFile::read(self.directory.path()).unwrap_or_default();
        self.heads = Some(HeadsFile::open(self.directory.path(), |log, number| {
            // A lower sequel of a forked log takes its place, and what was there before goes on as a branch.
            if let Some((_, hash)) = written.get(log).filter(|(known, _)| *known == number)
                && replica.is_in_branch(log, number, hash).map_err(failed)?
            {
                return Ok(Held::Entry(*hash));
            }
            match replica.hash_at(log, number).map_err(failed)? {
                Some(hash) => Ok(Held::Entry(hash)),
                None => Ok(heads.get(log).map_or(Held::Nothing, |(held, _)| Held::UpTo(*held))),
            }
        })?);
        Ok(())
    }

    /// Writes the heads of a replica that was just synced, if it is time or the last time.
    pub fn keep_heads<S: Store>(&mut self, replica: &Replica<S>, last: bool) {
        let now = instant();
        if let Some(file) = self.heads.as_mut().filter(|file| last || file.is_due(now))
            && let Err(error) = file.update(now, &replica.heads())
        {
            tracing::warn!(%error, "the heads file could not be written");
        }
    }

    fn running_file(path: &Path) -> PathBuf {
        path.join("node.json")
    }

    /// Tells the commands of this directory where the node is.
    pub fn announce(&self, running: &Running) -> Result<(), HomeError> {
        let bytes = serde_json::to_vec(running).unwrap_or_default();
        let path = Home::running_file(self.path());
        match write_atomically(&path, &bytes, 0o600) {
            // Commands must find a node whose disk is full, too.
            Err(DirectoryError::Full { .. }) => self.give_some_reserve(),
            written => return Ok(written?),
        }
        Ok(write_atomically(&path, &bytes, 0o600)?)
    }

    /// The node is no longer there.
    pub fn withdraw(&self) {
        // Commands find out by themselves that nobody answers there.
        let _ = std::fs::remove_file(Home::running_file(self.path()));
    }
}

impl Running {
    /// What the node that runs on that directory said of itself; it may have died since. What stands in a copy was said
    /// by the original's.
    pub fn find(path: &Path) -> Option<Running> {
        if place::copied_from(path).is_some() {
            return None;
        }
        serde_json::from_slice(&std::fs::read(Home::running_file(path)).ok()?).ok()
    }
}
