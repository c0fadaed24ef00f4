//! What is gossiped is sealed: libp2p's gossip goes to whoever subscribes, entries to the network's devices only.
//!
//! XChaCha20-Poly1305 (RFC 8439, with the extended nonce) under a key of its shop, or of the network: [`Circles`].
//! Entries bear signatures of their own; the seal keeps strangers from reading, and from making us check rubbish.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::clock::random;
use crate::model::{Scope, ShopId};
use crate::replica::{Replica, shop_gossip_key};
use crate::store::Store;

const NONCE_BYTES: usize = 24;
/// Names the kind of message under the seal.
const WHEREABOUTS: &[u8] = b"ucash/1/whereabouts";

/// Seals and opens for those who hold one key.
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    pub fn new(key: &[u8; 32]) -> Seal {
        Seal { cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// The nonce and the sealed bytes.
    pub fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = random();
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), plain).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// The same for what says where a device is: another kind, so that neither is ever taken for the other.
    pub fn seal_whereabouts(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = random();
        let payload = Payload { msg: plain, aad: WHEREABOUTS };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// What [`Seal::seal_whereabouts`] sealed with the same key.
    pub fn open_whereabouts(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: WHEREABOUTS }).ok()
    }

    /// What was sealed with the same key.
    pub fn open(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), sealed).ok()
    }
}

/// Who hears what: a topic and a seal for each scope that this device reads.
///
/// A device that reads everything holds the network's key, from which those of all shops follow; one that reads its own
/// shop only holds that shop's. The registry is gossiped among the former; the others find it by comparing.
pub(super) struct Circles {
    key: [u8; 32],
    own: Option<ShopId>,
    confined_to: Option<ShopId>,
    circles: BTreeMap<Scope, (String, Seal)>,
}

impl Circles {
    /// Those of a replica.
    pub fn of<S: Store>(replica: &Replica<S>) -> Circles {
        let (own, confined_to) = replica.reading();
        let mut circles = Circles { key: replica.gossip_key(), own, confined_to, circles: BTreeMap::new() };
        circles.add(Scope::Registry);
        own.into_iter().for_each(|shop| circles.add(Scope::Shop(shop)));
        circles.follow(replica);
        circles
    }

    fn add(&mut self, scope: Scope) {
        let key = match (scope, self.confined_to) {
            (Scope::Registry, Some(_)) => return,
            (Scope::Shop(shop), Some(own)) if shop != own => return,
            (Scope::Shop(_), Some(_)) => self.key,
            (Scope::Shop(shop), None) => shop_gossip_key(&self.key, shop),
            (Scope::Registry, None) => self.key,
        };
        // Its name tells nothing, and who has not the key cannot guess it.
        let name = blake3::derive_key("ucash/v1/gossip-topic", &key);
        let topic = format!("ucash/1/{}", data_encoding::HEXLOWER.encode(&name[..16]));
        self.circles.insert(scope, (topic, Seal::new(&key)));
    }

    /// Takes in shops that have been founded. Says whether there are any.
    pub fn follow<S: Store>(&mut self, replica: &Replica<S>) -> bool {
        let before = self.circles.len();
        for shop in replica.shops() {
            if !self.circles.contains_key(&Scope::Shop(shop)) {
                self.add(Scope::Shop(shop));
            }
        }
        self.circles.len() > before
    }

    /// All topics.
    pub fn topics(&self) -> Vec<String> {
        self.circles.values().map(|(topic, _)| topic.clone()).collect()
    }

    /// The seal of a topic.
    pub fn seal_of(&self, topic: &str) -> Option<&Seal> {
        self.circles.values().find(|(known, _)| known == topic).map(|(_, seal)| seal)
    }

    /// Topic and seal of a scope, if this device reads it.
    pub fn circle(&self, scope: Scope) -> Option<&(String, Seal)> {
        self.circles.get(&scope)
    }

    /// Where it is said where this device is: among those who read everything, and in its own shop.
    pub fn neighbours(&self) -> impl Iterator<Item = &(String, Seal)> {
        let shop = self.own.map(Scope::Shop);
        [Some(Scope::Registry), shop].into_iter().flatten().filter_map(|scope| self.circle(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(key: [u8; 32], own: u32, confined: bool) -> Circles {
        let own = ShopId(own);
        let confined_to = confined.then_some(own);
        let mut circles = Circles { key, own: Some(own), confined_to, circles: BTreeMap::new() };
        [Scope::Registry, Scope::Shop(ShopId(1)), Scope::Shop(ShopId(2))]
            .into_iter()
            .for_each(|scope| circles.add(scope));
        circles
    }

    #[test]
    fn who_reads_one_shop_can_open_what_is_gossiped_of_no_other() {
        let network = [7; 32];
        let (office, blind) = (circles(network, 1, false), circles(shop_gossip_key(&network, ShopId(2)), 2, true));
        assert_eq!((office.topics().len(), blind.topics().len()), (3, 1));
        let shop = Scope::Shop(ShopId(2));
        let (topic, seal) = office.circle(shop).expect("it reads all");
        let sealed = seal.seal(b"of shop 2").expect("sealed");
        assert_eq!(blind.seal_of(topic).and_then(|seal| seal.open(&sealed)), Some(b"of shop 2".to_vec()));
        for scope in [Scope::Registry, Scope::Shop(ShopId(1))] {
            let (topic, seal) = office.circle(scope).expect("it reads all");
            let sealed = seal.seal(b"secret").expect("sealed");
            assert!(blind.seal_of(topic).is_none() && blind.circle(scope).is_none());
            assert_eq!(blind.circle(shop).expect("its own").1.open(&sealed), None);
        }
    }
}
