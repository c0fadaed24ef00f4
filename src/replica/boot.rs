//! How a replica begins: founded, joined, or opened again.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::ledger::{Plan, Refusal};
use crate::log::{Body, BodyError, LogId, SigningKey, actor_of};
use crate::membership::{Certificate, Credentials, ReadScope, Registry, Role};
use crate::model::{
    Credit, DeviceKey, DocumentId, Hlc, Incarnation, MovementRecord, NetworkId, Operation, Scope, ShopId, Timestamp,
};
use crate::planted::{self, Bug};
use crate::replica::fold::{EntryRef, Fold, Touched};
use crate::replica::logs::Logs;
use crate::replica::{Replica, ReplicaError, keys, steward, sync};
use crate::store::{Batch, Pair, Store};

/// The secrets of a device.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The device's key.
    pub key: SigningKey,
    /// The authority's key, where this device is the founder's.
    pub authority_key: Option<SigningKey>,
    /// What the network's gossip is sealed with.
    pub gossip_key: [u8; 32],
}

/// What a founder says of the network.
#[derive(Clone, Debug)]
pub struct Founder {
    /// The company's name.
    pub network: String,
    /// IANA name of the zone that reads times that bear none.
    pub time_zone: String,
    /// The first shop's number.
    pub shop: ShopId,
    /// The first shop's name.
    pub shop_name: String,
    /// What this device is called.
    pub device_name: String,
}

/// Why a replica could not begin.
#[derive(Debug, Error)]
pub enum BootError {
    /// The store.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// What the founder said cannot be taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store is not empty, or is empty where it should not be.
    #[error("the store {}", if *.expected_empty { "is already in use" } else { "holds no replica" })]
    Emptiness {
        /// Which was expected.
        expected_empty: bool,
    },
}

/// A stream of random bits from one seed that was handed in (BLAKE3 as an extendable output).
#[derive(Debug)]
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    pub fn new(seed: [u8; 32]) -> Random {
        Random { seed, drawn: 0 }
    }

    pub fn draw<const N: usize>(&mut self) -> [u8; N] {
        self.drawn += 1;
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&self.drawn.to_be_bytes());
        let mut bytes = [0; N];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }
}

impl<S: Store> Replica<S> {
    /// Founds a network: its authority, its first shop, this device as head office.
    pub fn found(
        store: S,
        identity: Identity,
        seed: [u8; 32],
        founder: &Founder,
        now: Timestamp,
    ) -> Result<Replica<S>, BootError> {
        if now < Timestamp::YEAR_2020 {
            return Err(Refusal::ClockBefore2020 { now }.into());
        }
        let Some(authority_key) = identity.authority_key.clone() else {
            return Err(Refusal::NotAllowed { needs: "the authority's key".to_owned() }.into());
        };
        let authority = authority_key.public();
        let device = identity.key.public();
        let certificate = Certificate {
            network: NetworkId::of_authority(&authority),
            subject: device,
            shop: founder.shop,
            role: Role::HeadOffice,
            read: ReadScope::All,
            issued_at: now,
            expires_at: None,
            issuer: authority,
        };
        let operations = [
            Operation::Found { network: founder.network.clone(), time_zone: founder.time_zone.clone(), at: now },
            Operation::AddShop { shop: founder.shop, name: founder.shop_name.clone() },
            Operation::Certify {
                device,
                certificate: certificate.sign(&authority_key),
                name: founder.device_name.clone(),
            },
            Operation::NameKeeper { shop: founder.shop, device },
        ];
        for operation in &operations {
            operation.check_fields().map_err(Refusal::from)?;
        }
        let mut replica = Replica::begin(store, identity, seed, authority)?;
        for operation in operations {
            let plan = Plan::Registry { operation, by_authority: true };
            replica.carry_out(now, &plan).map_err(|error| match error {
                super::CommandError::Refused(refusal) | super::CommandError::Lacks(refusal) => {
                    BootError::Refused(*refusal)
                }
                super::CommandError::Failed(error) => BootError::Replica(error),
            })?;
        }
        replica.write()?;
        replica.sync()?;
        replica.outputs.clear();
        Ok(replica)
    }

    /// Begins as a device that was admitted; the registry comes with the first comparison.
    pub fn join(
        store: S,
        identity: Identity,
        seed: [u8; 32],
        credentials: &Credentials,
    ) -> Result<Replica<S>, BootError> {
        let mut replica = Replica::begin(store, identity, seed, credentials.authority)?;
        let issuer = credentials.issuer.clone().unwrap_or_default();
        let bytes = postcard::to_stdvec(&(&credentials.certificate, &issuer))
            .map_err(|_| ReplicaError::damaged("credentials do not encode"))?;
        replica.put(keys::CREDENTIALS.to_vec(), Some(bytes));
        replica.write()?;
        replica.sync()?;
        Ok(replica)
    }

    fn begin(mut store: S, identity: Identity, seed: [u8; 32], authority: DeviceKey) -> Result<Replica<S>, BootError> {
        if store.get(keys::INCARNATION).map_err(ReplicaError::from)?.is_some() {
            return Err(BootError::Emptiness { expected_empty: true });
        }
        let mut random = Random::new(seed);
        let incarnation = random.draw::<8>();
        let mut batch = Batch::default();
        batch.put(keys::INCARNATION, incarnation);
        batch.put(keys::AUTHORITY, authority.0);
        batch.put(keys::DEVICE, identity.key.public().0);
        batch.put(keys::DERIVED_NOW, keys::DERIVED_VERSION);
        store.apply(&batch).map_err(ReplicaError::from)?;
        let incarnation = Incarnation(u64::from_be_bytes(incarnation));
        let run = u64::from_be_bytes(random.draw());
        let logs = Logs::open(store)?;
        Ok(Replica::assemble(identity, incarnation, run, random, logs, Fold::new(authority)))
    }

    /// Opens a replica again. What is derived is read, or folded anew where this version lays it out otherwise.
    pub fn open(store: S, identity: Identity, seed: [u8; 32]) -> Result<Replica<S>, BootError> {
        let get = |key: &[u8]| store.get(key).map_err(ReplicaError::from);
        let Some(incarnation) = get(keys::INCARNATION)? else {
            return Err(BootError::Emptiness { expected_empty: false });
        };
        let read = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let authority = read(get(keys::AUTHORITY)?).ok_or(ReplicaError::damaged("no authority is named"))?;
        if read(get(keys::DEVICE)?) != Some(identity.key.public().0) {
            return Err(ReplicaError::Foreign.into());
        }
        let derived = get(keys::DERIVED_NOW)?;
        let incarnation: [u8; 8] =
            incarnation.try_into().map_err(|_| ReplicaError::damaged("the incarnation is unreadable"))?;
        let mut random = Random::new(seed);
        let run = u64::from_be_bytes(random.draw());
        let logs = Logs::open(store)?;
        let fold = Fold::new(DeviceKey(authority));
        let incarnation = Incarnation(u64::from_be_bytes(incarnation));
        let mut replica = Replica::assemble(identity, incarnation, run, random, logs, fold);
        if derived.as_deref() == Some(keys::DERIVED_VERSION) {
            replica.recall()?;
        } else {
            replica.rebuild()?;
        }
        replica.recall_clock()?;
        Ok(replica)
    }

    /// Opens a store that is a copy of an older one, or was brought back: as a new incarnation, which writes logs of
    /// its own and holds no share, so that nothing can be written or spent twice (`domain`, rule 7).
    pub fn open_restored(store: S, identity: Identity, seed: [u8; 32]) -> Result<Replica<S>, BootError> {
        let mut replica = Replica::open(store, identity, seed)?;
        replica.begin_anew()?;
        Ok(replica)
    }

    /// Goes on as a new incarnation, durably: for a store that was opened and is known to be a copy.
    pub fn begin_anew(&mut self) -> Result<(), ReplicaError> {
        if !planted::is(Bug::RestoreKeepsShares) {
            self.begin_incarnation();
        }
        self.write()?;
        self.sync()
    }

    /// Goes on as a new life of this store. What was written before stays, and is no longer continued.
    pub(super) fn begin_incarnation(&mut self) {
        let incarnation = self.random.draw::<8>();
        self.incarnation = Incarnation(u64::from_be_bytes(incarnation));
        self.put(keys::INCARNATION.to_vec(), Some(incarnation.to_vec()));
    }

    fn assemble(
        identity: Identity,
        incarnation: Incarnation,
        run: u64,
        random: Random,
        logs: Logs<S>,
        fold: Fold,
    ) -> Replica<S> {
        Replica {
            identity,
            incarnation,
            run,
            random,
            clock: Hlc(0),
            logs,
            fold,
            sessions: std::collections::BTreeMap::new(),
            seen: std::collections::BTreeMap::new(),
            syncs: Vec::new(),
            sync_every_ms: 30_000,
            traffic: sync::Traffic::default(),
            rehearsal: None,
            waiting: Vec::new(),
            steward: steward::Timers::default(),
            pending: std::collections::BTreeMap::new(),
            outputs: Vec::new(),
            failed: None,
            unsynced: false,
        }
    }

    /// Reads what is derived.
    fn recall(&mut self) -> Result<(), ReplicaError> {
        use crate::replica::fold::Entries;
        self.fold.reopen(&self.logs, &DocumentId::Registry)?;
        let shops: Vec<ShopId> = self.fold.book.shops().keys().copied().collect();
        for shop in shops {
            self.fold.reopen(&self.logs, &DocumentId::Shop(shop))?;
        }
        let damaged = ReplicaError::damaged;
        for value in self.values(keys::CREDIT)? {
            let (_, credit): (Vec<EntryRef>, Credit) =
                postcard::from_bytes(&value.1).map_err(|_| damaged("a credit's record is unreadable"))?;
            self.fold.book.put_credit(credit);
        }
        for value in self.values(keys::MOVEMENT)? {
            let movement: MovementRecord =
                postcard::from_bytes(&value.1).map_err(|_| damaged("a movement's record is unreadable"))?;
            self.fold.book.put_movement(movement);
        }
        for (key, value) in self.values(keys::SET_ASIDE)? {
            let at = keys::read_entry(&key).ok_or_else(|| damaged("a verdict names no entry"))?;
            let why = postcard::from_bytes(&value).map_err(|_| damaged("a verdict is unreadable"))?;
            let log = self.logs.log(at.log).ok_or(damaged("a log has no name"))?;
            self.fold.recall_set_aside(at, why, &log, &self.logs.body(at)?);
        }
        for (key, _) in self.values(keys::WAITING)? {
            let at = keys::read_entry(&key).ok_or_else(|| damaged("a verdict names no entry"))?;
            self.take_again(at)?;
        }
        self.fold.finish(&self.logs)?;
        self.fold.touched = Touched::default();
        // What was due when this device went is due still.
        self.fold.stirred = self.fold.book.shops().keys().copied().collect();
        Ok(())
    }

    fn values(&self, letter: u8) -> Result<Vec<Pair>, ReplicaError> {
        let mut found = Vec::new();
        self.logs.store.scan(&[letter], &[letter], &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn take_again(&mut self, at: EntryRef) -> Result<(), ReplicaError> {
        use crate::replica::fold::Entries;
        let log = self.logs.log(at.log).ok_or(ReplicaError::damaged("a log has no name"))?;
        let body = self.logs.body(at)?;
        self.fold.take(&self.logs, at, &log, &body)
    }

    /// Throws away what is derived and folds every entry anew.
    pub fn rebuild(&mut self) -> Result<(), ReplicaError> {
        let authority = self.fold.registry.authority();
        let mut batch = Batch::default();
        for letter in keys::DERIVED {
            for (key, _) in self.values(letter)? {
                batch.delete(key);
            }
        }
        batch.put(keys::DERIVED_NOW, keys::DERIVED_VERSION);
        self.logs.store.apply(&batch)?;
        self.fold = self.fold_all(Fold::with_capacity(authority, usize::MAX))?;
        self.write()?;
        self.logs.store.sync()?;
        self.fold = Fold::new(authority);
        self.recall()
    }

    /// Every entry held, folded into that fold.
    pub(super) fn fold_all(&self, mut fold: Fold) -> Result<Fold, ReplicaError> {
        for (log, held) in self.logs.held() {
            self.logs.each_body(held.index, &mut |number, bytes| {
                let at = EntryRef { log: held.index, number };
                fold.take(&FromScratch(&self.logs), at, log, &Body::from_bytes(bytes))
            })?;
        }
        fold.finish(&FromScratch(&self.logs))?;
        Ok(fold)
    }

    /// The clock goes on after the last own entry.
    fn recall_clock(&mut self) -> Result<(), ReplicaError> {
        use crate::replica::fold::Entries;
        let own: Vec<(LogId, EntryRef)> = self
            .logs
            .held()
            .iter()
            .filter(|(log, held)| log.device == self.device() && held.head.number > 0)
            .map(|(log, held)| (*log, EntryRef { log: held.index, number: held.head.number }))
            .collect();
        for (_, at) in own {
            if let Ok(body) = self.logs.body(at)? {
                self.clock = self.clock.max(body.stamp);
            }
        }
        Ok(())
    }

    /// The Automerge actor of this run in that log.
    pub(super) fn actor(&self, log: &LogId) -> crate::document::Actor {
        actor_of(log, self.run)
    }

    /// The certificate that counts for this device: from the registry, or what it was given when it joined.
    pub(super) fn own_standing(&self) -> Option<(ShopId, Role, ReadScope)> {
        let device = self.device();
        self.fold.registry.standing(&device).or_else(|| {
            let credentials = self.stored_credentials()?;
            let certificate = Certificate::from_bytes(&credentials.certificate).ok()?;
            Some((certificate.shop, certificate.role, certificate.read))
        })
    }

    /// What this device shows to others.
    pub(super) fn own_credentials(&self) -> Option<Credentials> {
        self.fold.registry.credentials(&self.device()).or_else(|| self.stored_credentials())
    }

    fn stored_credentials(&self) -> Option<Credentials> {
        let bytes = self.get(keys::CREDENTIALS).ok()??;
        let (certificate, issuer): (Vec<u8>, Vec<u8>) = postcard::from_bytes(&bytes).ok()?;
        let issuer = (!issuer.is_empty()).then_some(issuer);
        Some(Credentials { authority: self.fold.registry.authority(), certificate, issuer })
    }

    /// Whether this device's own certificate has arrived as an entry.
    pub fn has_registry(&self) -> bool {
        let registry: &Registry = &self.fold.registry;
        registry.founding().is_some() && registry.member(&self.device()).is_some()
    }

    pub(super) fn may_write(&self, scope: Scope) -> bool {
        self.fold.registry.may_write(&self.device(), scope)
    }
}

/// Entries alone: no record of what was derived from them is believed.
struct FromScratch<'a, S>(&'a Logs<S>);

impl<S: Store> crate::replica::fold::Entries for FromScratch<'_, S> {
    fn log(&self, log: u32) -> Option<LogId> {
        self.0.log(log)
    }

    fn body(&self, at: EntryRef) -> Result<Result<Body, BodyError>, ReplicaError> {
        self.0.body(at)
    }

    fn index(&self, log: &LogId) -> Option<u32> {
        self.0.index(log)
    }

    fn entry(&self, at: EntryRef) -> Result<Option<Result<Body, BodyError>>, ReplicaError> {
        self.0.entry(at)
    }

    fn positions(&self, _: &DocumentId) -> Result<Vec<EntryRef>, ReplicaError> {
        Ok(Vec::new())
    }
}
