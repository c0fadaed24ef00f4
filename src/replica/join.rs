//! Invitations, made and redeemed; devices revoked and renamed; and the joiner's side of it all.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ledger::{Plan, Refusal};
use crate::log::SigningKey;
use crate::membership::{Certificate, Credentials, Invitation, ReadScope, Role, Secret};
use crate::model::{DeviceKey, Operation, Scope, ShopId, Timestamp};
use crate::replica::{Answer, CommandError, InvitationView, Replica, ReplicaError, keys};
use crate::store::Store;
use crate::wire::{Answered, GossipKey, Message};

/// An invitation as its maker remembers it.
#[derive(Serialize, Deserialize)]
struct Issued {
    secret: [u8; 16],
    shop: ShopId,
    role: Role,
    read: ReadScope,
    expires_at: Timestamp,
    /// Who redeemed it. The same joiner may ask again: its answer may have been lost.
    redeemed_by: Option<DeviceKey>,
}

/// Invitations hold at most a week: one that lies about is a key under the mat.
const EXPIRES_IN_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// The key of one shop's gossip, which follows from the network's: a device that reads that shop only is given no other, so
/// that what is gossiped of the others says nothing to it, whatever program it runs.
pub fn shop_gossip_key(network: &[u8; 32], shop: ShopId) -> [u8; 32] {
    blake3::derive_key("ucash/v1/gossip-shop", &[&network[..], &shop.0.to_be_bytes()].concat())
}

impl<S: Store> Replica<S> {
    #[expect(clippy::too_many_arguments, reason = "the fields of one command, named there")]
    pub(super) fn invite(
        &mut self,
        now: Timestamp,
        shop: Option<ShopId>,
        new_shop: Option<String>,
        role: Role,
        read: ReadScope,
        expires_in_ms: i64,
        addresses: Vec<String>,
    ) -> Result<Answer, CommandError> {
        let allowed = self.check_inviter(shop, &new_shop, role, read);
        allowed?;
        if !(1_000..=EXPIRES_IN_MS_MAX).contains(&expires_in_ms) {
            let fault = crate::model::FieldError::malformed("expires", "one second to seven days");
            return Err(Refusal::Field(fault).into());
        }
        let shop = match new_shop {
            Some(name) => {
                let (shop, plans) = self.fold.book.plan_shop(shop, &name, None)?;
                self.carry_all(now, &plans)?;
                shop
            }
            None => self.acting_shop(shop)?,
        };
        let id: [u8; 8] = self.random.draw();
        let secret: [u8; 16] = self.random.draw();
        let expires_at = now.plus_ms(expires_in_ms);
        let issued = Issued { secret, shop, role, read, expires_at, redeemed_by: None };
        self.remember(&id, &issued)?;
        let invitation = Invitation {
            network: self.fold.registry.network(),
            inviter: self.device(),
            id,
            secret: Secret(secret),
            shop,
            expires_at,
            addresses,
        };
        Ok(Answer::Invitation(InvitationView {
            invitation: invitation.to_text(),
            shop_id: shop,
            role,
            expires_at: expires_at.to_rfc3339(),
        }))
    }

    fn remember(&mut self, id: &[u8; 8], issued: &Issued) -> Result<(), ReplicaError> {
        let bytes = postcard::to_stdvec(issued).map_err(|_| ReplicaError::damaged("an invitation does not encode"))?;
        self.put(keys::invitation(id), Some(bytes));
        Ok(())
    }

    /// Head office invites anyone; a manager, devices and auditors of its own shop.
    fn check_inviter(
        &self,
        shop: Option<ShopId>,
        new_shop: &Option<String>,
        role: Role,
        read: ReadScope,
    ) -> Result<(), Refusal> {
        if role == Role::HeadOffice {
            return Err(Refusal::NotAllowed { needs: "the founder's own device".to_owned() });
        }
        if self.identity.authority_key.is_some() {
            return Ok(());
        }
        let (own_shop, own_role, own_read) =
            self.own_standing().ok_or_else(|| Refusal::NotAllowed { needs: "a certificate".to_owned() })?;
        let own_shop_only = new_shop.is_none() && shop.is_none_or(|shop| shop == own_shop);
        let below = matches!(role, Role::Device | Role::Auditor);
        let readable = read == ReadScope::Own || own_read == ReadScope::All;
        if own_role == Role::Manager && own_shop_only && below && readable {
            return Ok(());
        }
        Err(Refusal::NotAllowed { needs: "a manager's or the head office's device".to_owned() })
    }

    /// A joiner proved that it was invited, or did not.
    pub(super) fn redeem(
        &mut self,
        joiner: DeviceKey,
        id: &[u8; 8],
        proof: &[u8; 32],
        name: &str,
        now: Timestamp,
    ) -> Result<Message, CommandError> {
        let refused = |answer| Ok(Message::Refused(answer));
        let Some(bytes) = self.get(&keys::invitation(id))? else {
            return refused(Answered::InvitationUnknown);
        };
        let mut issued: Issued =
            postcard::from_bytes(&bytes).map_err(|_| ReplicaError::damaged("an invitation is unreadable"))?;
        if !Secret(issued.secret).proves(&self.device(), &joiner, proof) {
            return refused(Answered::InvitationUnknown);
        }
        match issued.redeemed_by {
            Some(known) if known != joiner => return refused(Answered::InvitationUsed),
            Some(_) => {}
            None if now > issued.expires_at => return refused(Answered::InvitationExpired),
            None => {
                let admitted = self.admit(joiner, &issued, name, now);
                match admitted {
                    Ok(()) => {}
                    Err(CommandError::Refused(_) | CommandError::Lacks(_)) => return refused(Answered::Unable),
                    Err(failed) => return Err(failed),
                }
                issued.redeemed_by = Some(joiner);
                self.remember(id, &issued)?;
            }
        }
        let credentials = self.fold.registry.credentials(&joiner);
        let credentials = credentials.ok_or_else(|| ReplicaError::damaged("a joiner has no certificate"))?;
        let own = self.identity.gossip_key;
        // Who is confined to a shop itself holds that shop's key, and can give no other.
        let gossip_key = match (issued.read, self.reading()) {
            (ReadScope::Own, (_, None)) => shop_gossip_key(&own, issued.shop),
            _ => own,
        };
        Ok(Message::Joined { credentials: Box::new(credentials), gossip_key: GossipKey(gossip_key) })
    }

    fn admit(&mut self, joiner: DeviceKey, issued: &Issued, name: &str, now: Timestamp) -> Result<(), CommandError> {
        let device = self.identity.key.clone();
        let (issuer, by_authority): (SigningKey, bool) = match &self.identity.authority_key {
            Some(authority) => (authority.clone(), true),
            None => (device, false),
        };
        let certificate = Certificate {
            network: self.fold.registry.network(),
            subject: joiner,
            shop: issued.shop,
            role: issued.role,
            read: issued.read,
            issued_at: now,
            expires_at: None,
            issuer: issuer.public(),
        };
        let name = if name.trim().is_empty() { joiner.to_text().chars().take(8).collect() } else { name.to_owned() };
        let operation = Operation::Certify { device: joiner, certificate: certificate.sign(&issuer), name };
        operation.check_fields().map_err(Refusal::from)?;
        let mut plans = vec![Plan::Registry { operation, by_authority }];
        // The shop's first device is its keeper.
        let (shop, role) = (issued.shop, issued.role);
        if by_authority && self.fold.book.closings().keeper(shop).is_none() && role.may_write(shop, Scope::Shop(shop)) {
            plans.push(Plan::Registry { operation: Operation::NameKeeper { shop, device: joiner }, by_authority });
        }
        self.carry_all(now, &plans)
    }

    pub(super) fn find_device(&self, key: &str) -> Result<DeviceKey, Refusal> {
        let mut found = self.fold.registry.find(key).map(|(device, _)| *device);
        match (found.next(), found.next()) {
            (Some(device), None) => Ok(device),
            _ => Err(Refusal::UnknownDevice { key: key.chars().take(64).collect() }),
        }
    }

    /// The log from which this device manages that one.
    fn managing(&self, device: &DeviceKey) -> Result<bool, Refusal> {
        if self.identity.authority_key.is_some() {
            return Ok(true);
        }
        if self.fold.registry.may_manage(&self.device(), device) {
            return Ok(false);
        }
        Err(Refusal::NotAllowed { needs: "the shop's manager's or the head office's device".to_owned() })
    }

    pub(super) fn revoke(&mut self, now: Timestamp, key: &str) -> Result<Answer, CommandError> {
        let device = self.find_device(key)?;
        if device == self.device() {
            return Err(
                Refusal::NotAllowed { needs: "another device: this one cannot revoke itself".to_owned() }.into()
            );
        }
        let by_authority = self.managing(&device)?;
        if !self.fold.registry.is_revoked(&device) {
            let operation = Operation::Revoke { device };
            self.carry_all(now, &[Plan::Registry { operation, by_authority }])?;
        }
        self.leave_revoked();
        Ok(Answer::Device(self.device_view(&device)?))
    }

    pub(super) fn rename(&mut self, now: Timestamp, key: &str, name: &str) -> Result<Answer, CommandError> {
        let device = self.find_device(key)?;
        let by_authority = if device == self.device() { false } else { self.managing(&device)? };
        let operation = Operation::RenameDevice { device, name: name.trim().to_owned() };
        operation.check_fields().map_err(Refusal::from)?;
        self.carry_all(now, &[Plan::Registry { operation, by_authority }])?;
        Ok(Answer::Device(self.device_view(&device)?))
    }
}

/// Why a joiner was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// The inviter said no.
    #[error("{0}")]
    Refused(Answered),
    /// What the inviter gave leads not from the authority to this device.
    #[error("the inviter's answer is not to be believed")]
    Unbelievable,
}

/// A device that has an invitation and is not yet a replica.
#[derive(Debug)]
pub struct Joiner {
    key: SigningKey,
    invitation: Invitation,
    name: String,
}

impl Joiner {
    /// A joiner that wants to be called so.
    pub fn new(key: SigningKey, invitation: Invitation, name: String) -> Joiner {
        Joiner { key, invitation, name }
    }

    /// What to say to the inviter, and to nobody else.
    pub fn request(&self) -> Vec<u8> {
        let proof = self.invitation.secret.proof(&self.invitation.inviter, &self.key.public());
        crate::wire::encode(&Message::Join { invitation: self.invitation.id, proof, name: self.name.clone() })
    }

    /// What the inviter said: the credentials and gossip key, or nothing yet.
    pub fn answer(&self, frame: &[u8]) -> Result<Option<(Credentials, [u8; 32])>, JoinError> {
        match crate::wire::decode(frame) {
            Ok(Message::Joined { credentials, gossip_key }) => {
                let believed = credentials.check(self.invitation.network, &self.key.public());
                believed.map_err(|_| JoinError::Unbelievable)?;
                Ok(Some((*credentials, gossip_key.0)))
            }
            Ok(Message::Refused(answer)) => Err(JoinError::Refused(answer)),
            // Greetings of a device that does not know us yet.
            Ok(_) => Ok(None),
            Err(_) => Err(JoinError::Unbelievable),
        }
    }
}
