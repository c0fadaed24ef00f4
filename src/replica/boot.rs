//! How a replica begins: founded or joined. How one is opened again stands in `opening`.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ledger::{Plan, Refusal, SetDigest};
use crate::log::{LogId, SigningKey, actor_of};
use crate::membership::{Certificate, Credentials, ReadScope, Registry, Role};
use crate::model::{DeviceKey, Hlc, Incarnation, NetworkId, Operation, Scope, ShopId, Timestamp};
use crate::replica::conduct::Conducts;
use crate::replica::fold::Fold;
use crate::replica::logs::Logs;
use crate::replica::soundness::Damage;
use crate::replica::{Replica, ReplicaError, gateway, keys, steward, sync};
use crate::store::{Batch, Store};

/// The secrets of a device.
#[derive(Clone)]
pub struct Identity {
    /// The device's key.
    pub key: SigningKey,
    /// The authority's key, where this device is the founder's.
    pub authority_key: Option<SigningKey>,
    /// What the network's gossip is sealed with.
    pub gossip_key: [u8; 32],
}

/// Shows none of them: what is shown ends in logs.
impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("device", &self.key.public()).finish_non_exhaustive()
    }
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
    /// The store has lost something that nothing here can make again. Nothing was changed.
    #[error("the store is damaged: {0}")]
    Damaged(Damage),
    /// The store is not empty, or is empty where it should not be.
    #[error("the store {}", if *.expected_empty { "is already in use" } else { "holds no replica" })]
    Emptiness {
        /// Which was expected.
        expected_empty: bool,
    },
}

/// A stream of random bits from one seed that was handed in (BLAKE3 as an extendable output).
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

/// Invitations are drawn from it: what is shown ends in logs.
impl std::fmt::Debug for Random {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Random").field("drawn", &self.drawn).finish_non_exhaustive()
    }
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
        batch.put(keys::OWN_SUM, SetDigest::default().to_bytes());
        store.apply(&batch).map_err(ReplicaError::from)?;
        let incarnation = Incarnation(u64::from_be_bytes(incarnation));
        let run = u64::from_be_bytes(random.draw());
        let (logs, _) = Logs::open(store)?;
        Ok(Replica::assemble(identity, incarnation, run, random, logs, Fold::new(authority)))
    }

    pub(super) fn assemble(
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
            own_clock: super::clock::OwnClock::default(),
            logs,
            fold,
            sessions: BTreeMap::new(),
            seen: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            syncs: Vec::new(),
            sync_every_ms: 30_000,
            conducts: Conducts::default(),
            traffic: sync::Traffic::default(),
            rehearsal: None,
            waiting: Vec::new(),
            steward: steward::Timers::default(),
            apps: gateway::Apps::default(),
            doubts: BTreeMap::new(),
            pending: BTreeMap::new(),
            outputs: Vec::new(),
            company: crate::replica::changes::Told::new(),
            known: crate::replica::changes::Known::new(),
            known_as_of: None,
            failed: None,
            unsynced: false,
            own: SetDigest::default(),
            books: None,
            expected: Vec::new(),
        }
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
