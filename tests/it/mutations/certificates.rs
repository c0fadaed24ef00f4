//! Certificates and invitations: every field mutated, encoded and signed again, by a stranger, by a device that may
//! not, by the manager and by the authority itself.
//!
//! Who may issue what is worked out here again, from the paper and not from the code: the authority anything of its
//! network, a manager devices and auditors of its own shop, anybody else nothing.

use ucash::membership::{Certificate, Credentials, Invitation, ReadScope, Role, Secret};
use ucash::model::{DeviceKey, NetworkId, Operation, ShopId, Timestamp};
use ucash::replica::{Input, Joiner, Output};
use ucash::wire::{Message, encode};

use super::draw::Draw;
use super::{Tally, rounds, state_of};
use crate::forge::{AUTHORITY, FORGER, Forger, Net, Node, admit, device, found, gossip, invite, key, knock, net};
use crate::samples::NOW;

const MANAGER: u8 = 5;
const STRANGER: u8 = 66;
const ISSUERS: [u8; 4] = [AUTHORITY, MANAGER, FORGER, STRANGER];
const CASES: usize = 100;

fn mutate(draw: &mut Draw, certificate: &mut Certificate) -> &'static str {
    match draw.below(9) {
        0 => {
            certificate.network = NetworkId(draw.array(certificate.network.0));
            "certificate: network"
        }
        1 => {
            certificate.subject = DeviceKey(draw.array(certificate.subject.0));
            "certificate: device"
        }
        2 => {
            certificate.shop = ShopId(draw.number(certificate.shop.0.into()) as u32);
            "certificate: shop"
        }
        3 => {
            certificate.role = draw.of(&Role::ALL);
            "certificate: role"
        }
        4 => {
            certificate.read = draw.of(&[ReadScope::Own, ReadScope::All]);
            "certificate: reading"
        }
        5 => {
            certificate.issued_at = Timestamp(draw.number(certificate.issued_at.0 as u64) as i64);
            "certificate: issued"
        }
        6 => {
            certificate.expires_at = Some(Timestamp(draw.number(NOW.0 as u64) as i64));
            "certificate: end"
        }
        7 => {
            certificate.issuer = device(draw.of(&ISSUERS));
            "certificate: issuer"
        }
        _ => "certificate: signer",
    }
}

/// What the paper says of a certificate that is shown by a device, signed by that key.
fn is_right(certificate: &Certificate, signer: u8, shown_by: DeviceKey) -> bool {
    let network = NetworkId::of_authority(&device(AUTHORITY));
    let of_manager = certificate.shop == ShopId(5) && matches!(certificate.role, Role::Device | Role::Auditor);
    let issued = match signer {
        AUTHORITY => true,
        MANAGER => of_manager,
        _ => false,
    };
    certificate.issuer == device(signer) && certificate.network == network && certificate.subject == shown_by && issued
}

fn round(draw: &mut Draw, tally: &mut Tally) {
    let Net { mut office, .. } = net();
    let manager = admit(&mut office, MANAGER, 5, Role::Manager, ReadScope::All);
    let network = office.registry().network();
    for _ in 0..CASES {
        let signer = draw.of(&ISSUERS);
        let mut certificate = Certificate {
            network,
            subject: device(STRANGER),
            shop: ShopId(5),
            role: draw.of(&[Role::Device, Role::Device, Role::HeadOffice]),
            read: ReadScope::Own,
            issued_at: NOW,
            expires_at: None,
            issuer: device(signer),
        };
        let class = mutate(draw, &mut certificate);
        let mut bytes = certificate.sign(&key(signer));
        assert_eq!(
            Certificate::from_bytes(&bytes).ok(),
            (certificate.issuer == device(signer)).then(|| certificate.clone()),
            "a certificate is read as it was written, if its issuer signed it"
        );
        let mut right = is_right(&certificate, signer, device(STRANGER));
        if draw.one_in(5) {
            let damaged = draw.damaged(&bytes);
            right &= damaged == bytes;
            bytes = damaged;
        }
        // Shown on a connection, with an issuer's certificate that is its, another's or none.
        let issuer = draw.of(&[Some(manager.certificate.clone()), Some(bytes.clone()), None]);
        let authority = device(draw.of(&[AUTHORITY, AUTHORITY, AUTHORITY, signer]));
        let credentials = Credentials { authority, certificate: bytes.clone(), issuer: issuer.clone() };
        let leads = right
            && authority == device(AUTHORITY)
            && (certificate.issuer == authority || issuer == Some(manager.certificate.clone()));
        let believed = credentials.check(network, &device(STRANGER));
        assert_eq!(believed.is_ok(), leads, "{class}: {certificate:?} by {signer}: {believed:?}");
        let before = state_of(&mut office);
        let peer = device(STRANGER);
        office.handle(NOW, Input::Connected { peer });
        let bytes_said = encode(&Message::Credentials(Box::new(credentials)));
        let outputs = office.handle(NOW, Input::Frame { peer, bytes: bytes_said });
        let trusted = outputs.iter().any(|output| matches!(output, Output::Trust { .. }));
        let banned = outputs.iter().any(|output| matches!(output, Output::Ban { .. }));
        office.handle(NOW, Input::Disconnected { peer });
        let current = certificate.expires_at.is_none_or(|end| end > NOW);
        assert_eq!(trusted, leads && current, "{class}: {certificate:?}");
        assert_eq!(banned, !trusted, "who shows what is not right is left");
        assert_eq!(state_of(&mut office), before, "what is only shown changes nothing");
        tally.count(class, if trusted { "right" } else { "refused" });
        if !right {
            certify(draw, &mut office, &certificate, bytes);
        }
    }
}

/// Written into the registry by the hostile manager, rightly chained and signed, what is not right is set aside.
fn certify(draw: &mut Draw, office: &mut Node, certificate: &Certificate, bytes: Vec<u8>) {
    let mut hostile = Forger::new(MANAGER, ucash::model::Scope::Registry);
    hostile.log.incarnation = ucash::model::Incarnation(draw.next());
    hostile.head.hash = ucash::log::root_of(&hostile.log);
    let known = office.registry().member(&certificate.subject).is_some();
    let operation = Operation::Certify { device: device(STRANGER), certificate: bytes, name: "intrus".to_owned() };
    let body = hostile.write(&ucash::model::DocumentId::Registry, &operation);
    let before = state_of(office);
    let frame = hostile.entry(&body);
    gossip(office, &frame);
    let after = state_of(office);
    assert_eq!((&after.0, after.1, after.3), (&before.0, before.1 + 1, before.3 + 1), "kept, and without effect");
    assert_eq!(office.registry().member(&certificate.subject).is_some(), known, "nobody came in");
}

#[test]
fn mutated_certificates_let_nobody_in() {
    let tally = rounds("certificates", "UCASH_MUTATION_SECONDS", 4, round);
    assert!(tally.ends("right") > 0 && tally.ends("refused") > 0, "both ends were seen");
}

/// Takes an invitation whose fields were mutated to the door.
fn invited(draw: &mut Draw, tally: &mut Tally) {
    let mut office = found(1, AUTHORITY);
    for _ in 0..CASES {
        let honest = invite(&mut office, Some(5), Role::Device, ReadScope::Own);
        let mut other = honest.clone();
        // What the joiner proves with is checked at the door; the rest is the joiner's own affair.
        let (class, opens) = match draw.below(7) {
            0 => {
                other.id = draw.array(other.id);
                ("invitation: which", false)
            }
            1 => {
                other.secret = Secret(draw.array(other.secret.0));
                ("invitation: secret", false)
            }
            2 => {
                other.inviter = DeviceKey(draw.array(other.inviter.0));
                ("invitation: inviter", false)
            }
            3 => {
                other.network = NetworkId(draw.array(other.network.0));
                ("invitation: network", true)
            }
            4 => {
                other.shop = ShopId(draw.number(5) as u32);
                ("invitation: shop", true)
            }
            5 => {
                other.expires_at = Timestamp(draw.number(NOW.0 as u64) as i64);
                ("invitation: end", true)
            }
            _ => {
                other.addresses = (0..draw.below(9)).map(|_| draw.text("/ip4/10.0.0.1/tcp/1")).collect();
                ("invitation: addresses", true)
            }
        };
        let read = Invitation::from_text(&other.to_text()).expect("what was written is read");
        assert_eq!(Invitation::from_text(&read.to_text()), Ok(read.clone()), "and the same again");
        let before = state_of(&mut office);
        let joiner = Joiner::new(key(STRANGER), read, "intrus".to_owned());
        let outputs = knock(&mut office, &joiner, STRANGER, NOW);
        let answers = outputs.iter().filter_map(|output| match output {
            Output::Send { bytes, .. } => Some(joiner.answer(bytes)),
            _ => None,
        });
        let joined = answers.fold(None, |found, answer| found.or(answer.ok().flatten()));
        let same = other == honest;
        if opens || same {
            assert_eq!(joined.is_some(), other.network == honest.network, "{class}: a joiner believes its own network");
            let (shop, role, _) = office.registry().standing(&device(STRANGER)).expect("admitted");
            assert_eq!(
                (shop, role),
                (ShopId(5), Role::Device),
                "{class}: what the inviter meant, not what was written"
            );
            tally.count(class, "what was meant");
            office = found(1, AUTHORITY);
        } else {
            assert!(joined.is_none(), "{class}: nobody comes in");
            assert_eq!(state_of(&mut office), before, "{class}: nothing changes");
            tally.count(class, "refused");
        }
    }
}

#[test]
fn mutated_invitations_open_nothing() {
    let tally = rounds("invitations", "UCASH_MUTATION_SECONDS", 2, invited);
    assert!(tally.ends("refused") > 0 && tally.ends("what was meant") > 0, "both ends were seen");
}
