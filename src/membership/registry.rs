//! The registry as its entries made it: the founding, the certificates, the revocations, the devices' names.
//!
//! What it says only grows: a certificate once believed stays, so that no verdict on an entry is ever withdrawn.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::membership::{Certificate, CertificateError, Credentials, ReadScope, Role};
use crate::model::{Closing, DeviceKey, NetworkId, Operation, Origin, Scope, ShopId, Timestamp};
use crate::planted::{self, Bug};

/// How the network began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// The company's name.
    pub network: String,
    /// IANA name of the zone that reads times that bear none.
    pub time_zone: String,
    /// When.
    pub at: Timestamp,
}

/// A device of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its certificates, as signed, newest last.
    pub certificates: Vec<(Certificate, Vec<u8>)>,
    /// What people call it.
    pub name: String,
    /// Who named it so, when.
    named: Origin,
}

impl Member {
    /// The certificate that counts for connections and for what it is called: the newest issued.
    pub fn certificate(&self) -> &Certificate {
        // A member is made with a certificate and never loses one.
        &self.certificates[self.certificates.len() - 1].0
    }

    /// When its first certificate was issued, by the issuer's clock.
    pub fn first_issued_at(&self) -> Option<Timestamp> {
        self.certificates.iter().map(|(certificate, _)| certificate.issued_at).min()
    }
}

/// Why an entry on the registry has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RegistryFault {
    /// Only the authority's log may say that.
    #[error("only the authority may do that")]
    NotAuthority,
    /// The certificate is not to be believed.
    #[error("the certificate is {0}")]
    Certificate(CertificateError),
    /// The entry names another device than its certificate.
    #[error("the certificate is for another device")]
    OtherDevice,
    /// Its device may not do that.
    #[error("its device may not do that")]
    Right,
    /// The network was founded before.
    #[error("the network was founded before")]
    Founded,
}

/// Who belongs to the network.
#[derive(Clone, Debug)]
pub struct Registry {
    network: NetworkId,
    authority: DeviceKey,
    founding: Option<(Founding, Origin)>,
    members: BTreeMap<DeviceKey, Member>,
    revoked: BTreeSet<DeviceKey>,
    /// Who was named to write for a shop's existing apps, by which entry: nobody who was loses the right to have written.
    gateways: BTreeMap<ShopId, BTreeMap<Origin, DeviceKey>>,
    admitted: u64,
}

impl Registry {
    /// The registry of a network of which nothing but its authority is known.
    pub fn new(authority: DeviceKey) -> Registry {
        Registry {
            network: NetworkId::of_authority(&authority),
            authority,
            founding: None,
            members: BTreeMap::new(),
            revoked: BTreeSet::new(),
            gateways: BTreeMap::new(),
            admitted: 0,
        }
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The authority's public key.
    pub fn authority(&self) -> DeviceKey {
        self.authority
    }

    /// How the network began, once that is known.
    pub fn founding(&self) -> Option<&Founding> {
        self.founding.as_ref().map(|(founding, _)| founding)
    }

    /// Before this no clock of a device shows the time rightly: the network was not there, or the device no part of it.
    pub fn earliest_of(&self, device: &DeviceKey) -> Option<Timestamp> {
        let founded = self.founding().map(|founding| founding.at);
        founded.max(self.member(device).and_then(Member::first_issued_at))
    }

    /// The devices by key.
    pub fn members(&self) -> &BTreeMap<DeviceKey, Member> {
        &self.members
    }

    /// A device.
    pub fn member(&self, device: &DeviceKey) -> Option<&Member> {
        self.members.get(device)
    }

    /// The devices of which a person may speak by that name or key.
    pub fn find(&self, key: &str) -> impl Iterator<Item = (&DeviceKey, &Member)> {
        let device = DeviceKey::from_text(key);
        let name = key.trim().to_lowercase();
        self.members.iter().filter(move |(known, member)| Some(**known) == device || member.name.to_lowercase() == name)
    }

    /// What people call a device; its key's first letters if nobody does.
    pub fn name_of(&self, device: &DeviceKey) -> String {
        match self.members.get(device) {
            Some(member) => member.name.clone(),
            None => device.to_text().chars().take(8).collect(),
        }
    }

    /// Whether connections with that device have ended for good.
    pub fn is_revoked(&self, device: &DeviceKey) -> bool {
        self.revoked.contains(device)
    }

    /// The devices with which connections have ended for good.
    pub fn revoked(&self) -> &BTreeSet<DeviceKey> {
        &self.revoked
    }

    /// Whether entries of that writer on that scope count: for ever, once a certificate says so.
    pub fn may_write(&self, writer: &DeviceKey, scope: Scope) -> bool {
        if *writer == self.authority {
            return scope == Scope::Registry;
        }
        if planted::is(Bug::RightNotChecked) {
            return true;
        }
        let is_gateway = matches!(scope, Scope::Shop(shop) if self.was_gateway(writer, shop));
        is_gateway || self.holds(writer, |certificate| certificate.role.may_write(certificate.shop, scope))
    }

    /// Whether a device was ever named to write for a shop's existing apps.
    fn was_gateway(&self, device: &DeviceKey, shop: ShopId) -> bool {
        self.gateways.get(&shop).is_some_and(|named| named.values().any(|one| one == device))
    }

    /// Whether that writer may record in that shop what the existing app reports: a gateway of it, or the head office.
    pub fn may_report(&self, writer: &DeviceKey, shop: ShopId) -> bool {
        self.was_gateway(writer, shop) || self.holds(writer, |certificate| certificate.role == Role::HeadOffice)
    }

    /// The device that writes for a shop's existing apps now: the one named last.
    pub fn gateway(&self, shop: ShopId) -> Option<DeviceKey> {
        self.gateways.get(&shop)?.values().next_back().copied()
    }

    /// The gateways by shop.
    pub fn gateways(&self) -> impl Iterator<Item = (ShopId, DeviceKey)> {
        self.gateways.iter().filter_map(|(shop, named)| Some((*shop, *named.values().next_back()?)))
    }

    /// Whether a log's writer is known at all: entries of strangers are not even kept.
    pub fn knows(&self, writer: &DeviceKey) -> bool {
        *writer == self.authority || self.members.contains_key(writer)
    }

    /// What that device shows to others.
    pub fn credentials(&self, device: &DeviceKey) -> Option<Credentials> {
        let (certificate, bytes) = self.members.get(device)?.certificates.last()?;
        let issuer = (certificate.issuer != self.authority)
            .then(|| self.members.get(&certificate.issuer)?.certificates.last())
            .flatten()
            .map(|(_, bytes)| bytes.clone());
        Some(Credentials { authority: self.authority, certificate: bytes.clone(), issuer })
    }

    /// Whether an operation of that writer on the registry document counts; shops and SIMs are the ledger's, and only
    /// judged here.
    pub fn judge(&self, operation: &Operation, writer: &DeviceKey) -> Result<(), RegistryFault> {
        let right = |held: bool| if held { Ok(()) } else { Err(RegistryFault::Right) };
        match operation {
            Operation::Found { .. } | Operation::AddShop { .. } | Operation::NameKeeper { .. } => {
                if *writer == self.authority { Ok(()) } else { Err(RegistryFault::NotAuthority) }
            }
            Operation::AddSim { shop, .. } => right(
                self.holds(writer, |certificate| certificate.role.may_write(certificate.shop, Scope::Shop(*shop))),
            ),
            Operation::MoveSim { from, to, .. } => right(self.holds(writer, |certificate| {
                [*from, *to].iter().all(|shop| certificate.role.may_write(certificate.shop, Scope::Shop(*shop)))
            })),
            // Whether the writer was the shop's keeper then, `ledger` works out from all that the authority said.
            Operation::Stop { shop, .. } | Operation::Close(Closing { shop, .. }) => right(
                *writer == self.authority
                    || self
                        .holds(writer, |certificate| certificate.role.may_write(certificate.shop, Scope::Shop(*shop))),
            ),
            Operation::Certify { device, certificate, .. } => self.believe(device, certificate).map(|_| ()),
            Operation::NameGateway { shop, .. } => right(
                *writer == self.authority
                    || self.holds(writer, |certificate| match certificate.role {
                        Role::HeadOffice => true,
                        Role::Manager => certificate.shop == *shop,
                        Role::Device | Role::Relay | Role::Auditor => false,
                    }),
            ),
            Operation::Revoke { device } => right(self.may_manage(writer, device)),
            Operation::RenameDevice { device, .. } => right(writer == device || self.may_manage(writer, device)),
            _ => Err(RegistryFault::Right),
        }
    }

    /// Takes an operation on the registry document, if it counts.
    pub fn apply(&mut self, operation: &Operation, origin: Origin) -> Result<(), RegistryFault> {
        self.judge(operation, &origin.device)?;
        match operation {
            Operation::Found { network, time_zone, at } => {
                if self.founding.as_ref().is_some_and(|(_, known)| *known != origin) {
                    return Err(RegistryFault::Founded);
                }
                let founding = Founding { network: network.clone(), time_zone: time_zone.clone(), at: *at };
                self.founding = Some((founding, origin));
            }
            Operation::Certify { device, certificate: bytes, name } => {
                let certificate = self.believe(device, bytes)?;
                self.admit(certificate, bytes.clone(), name, origin);
            }
            Operation::NameGateway { shop, device } => {
                let is_new = self.gateways.entry(*shop).or_default().insert(origin, *device).is_none();
                // What it wrote before it was known to may count now.
                self.admitted += u64::from(is_new);
            }
            Operation::Revoke { device } => {
                self.revoked.insert(*device);
            }
            Operation::RenameDevice { device, name } => {
                if let Some(member) = self.members.get_mut(device).filter(|member| member.named < origin) {
                    member.name.clone_from(name);
                    member.named = origin;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How many certificates and namings of gateways were taken so far, each once.
    pub fn admitted(&self) -> u64 {
        self.admitted
    }

    /// Whether a certificate for that device is to be believed, on what is known here.
    fn believe(&self, device: &DeviceKey, bytes: &[u8]) -> Result<Certificate, RegistryFault> {
        let issued = Certificate::from_bytes(bytes).map_err(RegistryFault::Certificate)?;
        if issued.subject != *device || issued.subject == self.authority {
            return Err(RegistryFault::OtherDevice);
        }
        if issued.network != self.network {
            return Err(RegistryFault::Certificate(CertificateError::OtherNetwork));
        }
        let by_manager = || self.holds(&issued.issuer, |certificate| certificate.may_issue(&issued));
        if issued.issuer == self.authority || by_manager() {
            Ok(issued)
        } else {
            Err(RegistryFault::Certificate(CertificateError::Issuer))
        }
    }

    fn admit(&mut self, certificate: Certificate, bytes: Vec<u8>, name: &str, origin: Origin) {
        let subject = certificate.subject;
        let member = self.members.entry(subject).or_insert_with(|| Member {
            certificates: Vec::new(),
            name: name.to_owned(),
            named: origin,
        });
        if member.named < origin {
            name.clone_into(&mut member.name);
            member.named = origin;
        }
        if !member.certificates.iter().any(|(_, known)| *known == bytes) {
            self.admitted += 1;
            member.certificates.push((certificate, bytes));
            member.certificates.sort_by(|(left, left_bytes), (right, right_bytes)| {
                (left.issued_at, left_bytes).cmp(&(right.issued_at, right_bytes))
            });
        }
    }

    /// Whether that device may rename or revoke the other: head office anyone, a manager those of its shop that
    /// stand below it. Every certificate that either ever had counts: were it the newest, two who heard of a
    /// revocation and a move in different orders would disagree.
    pub fn may_manage(&self, manager: &DeviceKey, device: &DeviceKey) -> bool {
        if *manager == self.authority {
            return true;
        }
        if !self.members.contains_key(device) {
            return false;
        }
        self.holds(manager, |certificate| match certificate.role {
            Role::HeadOffice => true,
            Role::Manager => self.holds(device, |other| other.shop == certificate.shop && other.role < Role::Manager),
            Role::Device | Role::Relay | Role::Auditor => false,
        })
    }

    fn holds(&self, device: &DeviceKey, test: impl Fn(&Certificate) -> bool) -> bool {
        let certificates = self.members.get(device).into_iter().flat_map(|member| &member.certificates);
        certificates.into_iter().any(|(certificate, _)| test(certificate))
    }

    /// Which shop, role and reading right a device has now.
    pub fn standing(&self, device: &DeviceKey) -> Option<(ShopId, Role, ReadScope)> {
        let certificate = self.members.get(device)?.certificate();
        Some((certificate.shop, certificate.role, certificate.read))
    }
}
