//! Certificates, the registry's rules, and the word of an invitation.

use ucash::log::SigningKey;
use ucash::membership::{
    Certificate, CertificateError, Credentials, Invitation, InvitationError, ReadScope, Registry, RegistryFault, Role,
    Secret,
};
use ucash::model::{DeviceKey, Hlc, Incarnation, NetworkId, Operation, Operator, Origin, Scope, ShopId, Timestamp};

use crate::samples::{NOW, sim};

const AUTHORITY: u8 = 9;
const MANAGER: u8 = 1;
const DEVICE: u8 = 2;
const OTHER: u8 = 3;
const OFFICE: u8 = 4;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn device(seed: u8) -> DeviceKey {
    key(seed).public()
}

fn network() -> NetworkId {
    NetworkId::of_authority(&device(AUTHORITY))
}

/// A certificate of shop 5, issued by the authority.
fn certificate(subject: u8, role: Role) -> Certificate {
    Certificate {
        network: network(),
        subject: device(subject),
        shop: ShopId(5),
        role,
        read: ReadScope::Own,
        issued_at: NOW,
        expires_at: None,
        issuer: device(AUTHORITY),
    }
}

/// The same, issued by a manager.
fn issued(subject: u8, role: Role) -> Certificate {
    Certificate { issuer: device(MANAGER), ..certificate(subject, role) }
}

#[test]
fn certificates_come_back() {
    for role in Role::ALL {
        for read in [ReadScope::Own, ReadScope::All] {
            for expires_at in [None, Some(Timestamp(-1)), Some(NOW)] {
                let certificate = Certificate { read, expires_at, ..certificate(DEVICE, role) };
                assert_eq!(Certificate::from_bytes(&certificate.sign(&key(AUTHORITY))), Ok(certificate));
            }
        }
    }
}

#[test]
fn any_flipped_bit_of_a_certificate_is_refused() {
    let bytes = certificate(DEVICE, Role::Device).sign(&key(AUTHORITY));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            assert!(Certificate::from_bytes(&other).is_err(), "bit {bit} of byte {at}");
        }
    }
    for cut in 0..bytes.len() {
        assert_eq!(Certificate::from_bytes(&bytes[..cut]), Err(CertificateError::Malformed));
    }
    assert_eq!(Certificate::from_bytes(&[&bytes[..], &[0]].concat()), Err(CertificateError::Malformed));
    assert_eq!(Certificate::from_bytes(&vec![0; 4_096]), Err(CertificateError::Malformed));
}

#[test]
fn each_wrong_credential_is_refused_by_name() {
    let by_authority = |certificate: Certificate| (certificate.sign(&key(AUTHORITY)), None);
    let by_manager = |certificate: Certificate, manager: Certificate| {
        (certificate.sign(&key(MANAGER)), Some(manager.sign(&key(AUTHORITY))))
    };
    let manager = || certificate(MANAGER, Role::Manager);
    let all = |certificate| Certificate { read: ReadScope::All, ..certificate };
    let shop_7 = |certificate| Certificate { shop: ShopId(7), ..certificate };
    let of_other_network = |certificate| Certificate { network: NetworkId([1; 16]), ..certificate };
    let issuer = Err(CertificateError::Issuer);
    let rows = [
        ("by the authority", by_authority(certificate(DEVICE, Role::HeadOffice)), Ok(())),
        ("a device, by its manager", by_manager(issued(DEVICE, Role::Device), manager()), Ok(())),
        ("an auditor, by its manager", by_manager(issued(DEVICE, Role::Auditor), manager()), Ok(())),
        ("reading all, by one who does", by_manager(all(issued(DEVICE, Role::Device)), all(manager())), Ok(())),
        ("reading all, by one who does not", by_manager(all(issued(DEVICE, Role::Device)), manager()), issuer),
        ("a manager by a manager", by_manager(issued(DEVICE, Role::Manager), manager()), issuer),
        ("a relay by a manager", by_manager(issued(DEVICE, Role::Relay), manager()), issuer),
        ("a head office by a manager", by_manager(issued(DEVICE, Role::HeadOffice), manager()), issuer),
        ("of another shop", by_manager(shop_7(issued(DEVICE, Role::Device)), manager()), issuer),
        ("by a device", by_manager(issued(DEVICE, Role::Device), certificate(MANAGER, Role::Device)), issuer),
        ("by a relay", by_manager(issued(DEVICE, Role::Device), certificate(MANAGER, Role::Relay)), issuer),
        ("by an auditor", by_manager(issued(DEVICE, Role::Auditor), certificate(MANAGER, Role::Auditor)), issuer),
        (
            "by a head office, which issues with the authority's key only",
            by_manager(issued(DEVICE, Role::Device), certificate(MANAGER, Role::HeadOffice)),
            issuer,
        ),
        ("the issuer's certificate left out", (issued(DEVICE, Role::Device).sign(&key(MANAGER)), None), issuer),
        (
            "another issuer's certificate",
            by_manager(issued(DEVICE, Role::Device), certificate(OTHER, Role::Manager)),
            issuer,
        ),
        (
            "an issuer certified by itself",
            (
                issued(DEVICE, Role::Device).sign(&key(MANAGER)),
                Some(issued(MANAGER, Role::Manager).sign(&key(MANAGER))),
            ),
            issuer,
        ),
        (
            "self-issued",
            {
                let own = Certificate { issuer: device(DEVICE), ..certificate(DEVICE, Role::Device) };
                (own.sign(&key(DEVICE)), Some(own.sign(&key(DEVICE))))
            },
            issuer,
        ),
        (
            "signed by another than it says",
            (certificate(DEVICE, Role::Device).sign(&key(OTHER)), None),
            Err(CertificateError::Signature),
        ),
        (
            "of another network",
            by_authority(of_other_network(certificate(DEVICE, Role::Device))),
            Err(CertificateError::OtherNetwork),
        ),
        ("an issuer of another network", by_manager(issued(DEVICE, Role::Device), of_other_network(manager())), issuer),
        ("another device's", by_authority(certificate(OTHER, Role::Device)), Err(CertificateError::OtherDevice)),
        ("no certificate", (Vec::new(), None), Err(CertificateError::Malformed)),
    ];
    for (name, (certificate, issuer), wanted) in rows {
        let credentials = Credentials { authority: device(AUTHORITY), certificate, issuer };
        assert_eq!(credentials.check(network(), &device(DEVICE)).map(|_| ()), wanted, "{name}");
    }
    let other_authority = Credentials {
        authority: device(OTHER),
        certificate: Certificate { issuer: device(OTHER), ..certificate(DEVICE, Role::Device) }.sign(&key(OTHER)),
        issuer: None,
    };
    let refused = other_authority.check(network(), &device(DEVICE));
    assert_eq!(refused, Err(CertificateError::OtherNetwork), "another authority's network");
}

/// A registry with a head office, a manager and a device of shop 5, and a device of shop 7.
fn registry() -> Registry {
    let mut registry = Registry::new(device(AUTHORITY));
    let shop_7 = Certificate { shop: ShopId(7), ..certificate(OTHER, Role::Device) };
    let office = Certificate { shop: ShopId(1), ..certificate(OFFICE, Role::HeadOffice) };
    for (number, certificate) in
        [office, certificate(MANAGER, Role::Manager), certificate(DEVICE, Role::Device), shop_7].into_iter().enumerate()
    {
        let operation = certify(&certificate, AUTHORITY);
        registry.apply(&operation, origin(AUTHORITY, number as u64 + 1)).expect("by the authority");
    }
    registry
}

fn certify(certificate: &Certificate, signer: u8) -> Operation {
    let name = format!("device of shop {}", certificate.shop);
    Operation::Certify { device: certificate.subject, certificate: certificate.sign(&key(signer)), name }
}

fn origin(writer: u8, number: u64) -> Origin {
    let stamp = Hlc::at(NOW.plus_ms(number as i64));
    Origin { stamp, device: device(writer), incarnation: Incarnation(1), number, wall: stamp.time() }
}

#[test]
fn who_may_do_what_on_the_registry() {
    const NEW: u8 = 20;
    let found = || Operation::Found { network: "X".to_owned(), time_zone: "UTC".to_owned(), at: NOW };
    let shop = || Operation::AddShop { shop: ShopId(8), name: "Uvira".to_owned() };
    let sim = |shop| Operation::AddSim { sim: sim(), operator: Operator::Airtel, shop: ShopId(shop) };
    let revoke = |seed| Operation::Revoke { device: device(seed) };
    let rename = |seed| Operation::RenameDevice { device: device(seed), name: "neuf".to_owned() };
    let by_manager = |role| certify(&issued(NEW, role), MANAGER);
    let (ok, right) = (Ok(()), Err(RegistryFault::Right));
    let not_authority = Err(RegistryFault::NotAuthority);
    let issuer = Err(RegistryFault::Certificate(CertificateError::Issuer));
    let rows = [
        ("found", AUTHORITY, found(), ok),
        ("found", OFFICE, found(), not_authority),
        ("found", DEVICE, found(), not_authority),
        ("add a shop", AUTHORITY, shop(), ok),
        ("add a shop", OFFICE, shop(), not_authority),
        ("add a shop", MANAGER, shop(), not_authority),
        ("add a SIM to its shop", DEVICE, sim(5), ok),
        ("add a SIM to its shop", MANAGER, sim(5), ok),
        ("add a SIM to any shop", OFFICE, sim(7), ok),
        ("add a SIM to another shop", DEVICE, sim(7), right),
        ("add a SIM to another shop", MANAGER, sim(7), right),
        ("add a SIM", AUTHORITY, sim(5), right),
        ("certify a device", MANAGER, by_manager(Role::Device), ok),
        ("certify an auditor", MANAGER, by_manager(Role::Auditor), ok),
        ("certify a manager", MANAGER, by_manager(Role::Manager), issuer),
        ("certify a relay", MANAGER, by_manager(Role::Relay), issuer),
        ("certify a head office", MANAGER, by_manager(Role::HeadOffice), issuer),
        ("hand on a certificate that is good", OTHER, by_manager(Role::Device), ok),
        (
            "certify",
            DEVICE,
            certify(&Certificate { issuer: device(DEVICE), ..certificate(NEW, Role::Device) }, DEVICE),
            issuer,
        ),
        (
            "certify for another shop",
            MANAGER,
            certify(&Certificate { shop: ShopId(7), ..issued(NEW, Role::Device) }, MANAGER),
            issuer,
        ),
        (
            "certify for another network",
            AUTHORITY,
            certify(&Certificate { network: NetworkId([1; 16]), ..certificate(NEW, Role::Device) }, AUTHORITY),
            Err(RegistryFault::Certificate(CertificateError::OtherNetwork)),
        ),
        (
            "certify with another's signature",
            MANAGER,
            certify(&issued(NEW, Role::Device), DEVICE),
            Err(RegistryFault::Certificate(CertificateError::Signature)),
        ),
        (
            "certify under another's name",
            MANAGER,
            Operation::Certify {
                device: device(OTHER),
                certificate: issued(NEW, Role::Device).sign(&key(MANAGER)),
                name: "x".to_owned(),
            },
            Err(RegistryFault::OtherDevice),
        ),
        (
            "certify the authority itself",
            AUTHORITY,
            certify(&certificate(AUTHORITY, Role::Device), AUTHORITY),
            Err(RegistryFault::OtherDevice),
        ),
        ("revoke any", AUTHORITY, revoke(OFFICE), ok),
        ("revoke any", OFFICE, revoke(OTHER), ok),
        ("revoke of its shop", MANAGER, revoke(DEVICE), ok),
        ("revoke of another shop", MANAGER, revoke(OTHER), right),
        ("revoke", DEVICE, revoke(OTHER), right),
        ("revoke itself", DEVICE, revoke(DEVICE), right),
        ("revoke a stranger", MANAGER, revoke(NEW), right),
        ("rename itself", DEVICE, rename(DEVICE), ok),
        ("rename of its shop", MANAGER, rename(DEVICE), ok),
        ("rename of another shop", MANAGER, rename(OTHER), right),
        ("rename another", DEVICE, rename(MANAGER), right),
        ("write a town on the registry", OFFICE, Operation::DescribeShop { town: "x".to_owned() }, right),
    ];
    for (what, writer, operation, wanted) in rows {
        let mut registry = registry();
        let before = format!("{registry:?}");
        assert_eq!(registry.apply(&operation, origin(writer, 50)), wanted, "{what}, by {writer}: {operation:?}");
        if wanted.is_err() {
            assert_eq!(format!("{registry:?}"), before, "{what}: a refused operation has no effect");
        }
    }
}

#[test]
fn a_network_is_founded_once() {
    let mut registry = registry();
    let found = |name: &str| Operation::Found { network: name.to_owned(), time_zone: "UTC".to_owned(), at: NOW };
    assert_eq!(registry.apply(&found("A"), origin(AUTHORITY, 50)), Ok(()));
    assert_eq!(registry.apply(&found("A"), origin(AUTHORITY, 50)), Ok(()), "the same entry again");
    assert_eq!(registry.apply(&found("B"), origin(AUTHORITY, 51)), Err(RegistryFault::Founded));
    assert_eq!(registry.founding().map(|founding| founding.network.as_str()), Some("A"));
}

#[test]
fn who_may_write_which_scope() {
    let mut registry = registry();
    for (seed, role) in [(30, Role::Relay), (31, Role::Auditor)] {
        registry.apply(&certify(&certificate(seed, role), AUTHORITY), origin(AUTHORITY, 60)).expect("certified");
    }
    let shop = |number| Scope::Shop(ShopId(number));
    let rows = [
        (AUTHORITY, [true, false, false]),
        (OFFICE, [true, true, true]),
        (MANAGER, [true, true, false]),
        (DEVICE, [true, true, false]),
        (OTHER, [true, false, true]),
        (30, [false, false, false]),
        (31, [false, false, false]),
        (99, [false, false, false]),
    ];
    for (writer, wanted) in rows {
        let found = [Scope::Registry, shop(5), shop(7)].map(|scope| registry.may_write(&device(writer), scope));
        assert_eq!(found, wanted, "registry, shop 5, shop 7, by {writer}");
    }
    registry.apply(&Operation::Revoke { device: device(DEVICE) }, origin(AUTHORITY, 61)).expect("revoked");
    assert!(registry.may_write(&device(DEVICE), shop(5)), "a revocation judges no entry");
    let moved = Certificate { shop: ShopId(7), issued_at: NOW.plus_ms(1), ..certificate(DEVICE, Role::Device) };
    registry.apply(&certify(&moved, AUTHORITY), origin(AUTHORITY, 62)).expect("certified again");
    assert!(registry.may_write(&device(DEVICE), shop(5)), "what was certified once is never taken back");
    assert!(registry.may_write(&device(DEVICE), shop(7)));
    assert_eq!(registry.standing(&device(DEVICE)).map(|(shop, ..)| shop), Some(ShopId(7)), "the newest counts");
}

#[test]
fn verdicts_do_not_depend_on_the_order_of_certificates() {
    // The device of shop 5 is moved to shop 7 while shop 5's manager, who has not heard of it, revokes it.
    let moved = Certificate { shop: ShopId(7), issued_at: NOW.plus_ms(1), ..certificate(DEVICE, Role::Device) };
    let moved = (certify(&moved, AUTHORITY), origin(AUTHORITY, 70));
    let revoked = (Operation::Revoke { device: device(DEVICE) }, origin(MANAGER, 1));
    let renamed = (
        Operation::RenameDevice { device: device(DEVICE), name: "neuf".to_owned() },
        Origin { stamp: Hlc::at(NOW.plus_ms(100)), ..origin(MANAGER, 2) },
    );
    let after = |order: [&(Operation, Origin); 3]| {
        let mut registry = registry();
        let verdicts = order.map(|(operation, origin)| registry.apply(operation, *origin).is_ok());
        assert_eq!(verdicts, [true; 3]);
        (registry.is_revoked(&device(DEVICE)), registry.name_of(&device(DEVICE)), registry.standing(&device(DEVICE)))
    };
    let first = after([&moved, &revoked, &renamed]);
    assert_eq!(first, after([&revoked, &renamed, &moved]));
    assert_eq!(first, after([&renamed, &moved, &revoked]));
}

#[test]
fn names_and_certificates_do_not_depend_on_the_order_of_arrival() {
    let renew = |ms| Certificate { issued_at: NOW.plus_ms(ms), ..certificate(DEVICE, Role::Device) };
    let rename = |name: &str| Operation::RenameDevice { device: device(DEVICE), name: name.to_owned() };
    let all = [
        (certify(&renew(5), AUTHORITY), origin(AUTHORITY, 80)),
        (certify(&renew(9), AUTHORITY), origin(AUTHORITY, 81)),
        (rename("un"), origin(DEVICE, 90)),
        (rename("deux"), origin(MANAGER, 95)),
    ];
    let after = |order: [usize; 4]| {
        let mut registry = registry();
        for index in order {
            registry.apply(&all[index].0, all[index].1).expect("allowed");
        }
        let member = registry.member(&device(DEVICE)).expect("a member");
        (member.name.clone(), member.certificates.clone())
    };
    let first = after([0, 1, 2, 3]);
    assert_eq!(first.0, "deux");
    for order in [[3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [3, 0, 1, 2]] {
        assert_eq!(after(order), first, "{order:?}");
    }
}

fn invitation() -> Invitation {
    Invitation {
        network: network(),
        inviter: device(MANAGER),
        id: [4; 8],
        secret: Secret([3; 16]),
        shop: ShopId(5),
        expires_at: NOW,
        addresses: vec!["/ip4/192.168.1.7/tcp/4711".to_owned(), "/dns4/relay.example/tcp/443".to_owned()],
    }
}

#[test]
fn an_invitation_is_one_word() {
    let word = invitation().to_text();
    assert!(word.starts_with("ucash1") && !word.contains(char::is_whitespace));
    assert_eq!(Invitation::from_text(&word), Ok(invitation()));
    assert_eq!(Invitation::from_text(&word.to_uppercase()), Ok(invitation()), "as a QR code may hold it");
    let broken: String =
        word.as_bytes().chunks(40).map(|line| format!(" {}\n", String::from_utf8_lossy(line))).collect();
    assert_eq!(Invitation::from_text(&broken), Ok(invitation()), "as an SMS may break it");
    let mixed = word.replacen("ucash", "Ucash", 1);
    assert_eq!(Invitation::from_text(&mixed), Err(InvitationError::Mistyped), "both cases in one word");
}

#[test]
fn a_mistyped_invitation_is_found() {
    let word = invitation().to_text();
    let letters = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    for at in "ucash1".len()..word.len() {
        let mut typed = word.clone().into_bytes();
        let place = letters.iter().position(|letter| *letter == typed[at]).expect("a letter of Bech32");
        typed[at] = letters[(place + 7) % 32];
        let typed = String::from_utf8(typed).expect("letters");
        assert_eq!(Invitation::from_text(&typed), Err(InvitationError::Mistyped), "letter {at}");
    }
    let rows = [
        ("", InvitationError::NotAnInvitation),
        ("bonjour", InvitationError::NotAnInvitation),
        ("lnbc1qqqq", InvitationError::NotAnInvitation),
        ("ucash1", InvitationError::Mistyped),
        (&word[..word.len() - 1], InvitationError::Mistyped),
        (&word[..40], InvitationError::Mistyped),
    ];
    for (typed, wanted) in rows {
        assert_eq!(Invitation::from_text(typed), Err(wanted), "{typed}");
    }
    let endless = format!("ucash1{}", "q".repeat(1 << 20));
    assert_eq!(Invitation::from_text(&endless), Err(InvitationError::Mistyped));
}

#[test]
fn an_invitation_holds_as_many_addresses_as_a_code_can() {
    let with = |addresses: Vec<String>| Invitation { addresses, ..invitation() };
    let many: Vec<String> = (0..9).map(|index| format!("/ip4/10.0.0.{index}/tcp/4711")).collect();
    let read = Invitation::from_text(&with(many.clone()).to_text()).expect("it is read");
    assert_eq!(read.addresses, many[..6]);
    let long = with(vec!["x".repeat(161), "/ip4/10.0.0.1/tcp/1".to_owned(), "y".repeat(160)]);
    let read = Invitation::from_text(&long.to_text()).expect("it is read");
    assert_eq!(read.addresses, ["/ip4/10.0.0.1/tcp/1".to_owned(), "y".repeat(160)]);
    let longest = with(vec!["z".repeat(160); 6]).to_text();
    assert!(longest.len() < 2_000, "{} characters", longest.len());
    assert!(Invitation::from_text(&longest).is_ok());
}

#[test]
fn a_proof_is_bound_to_both_keys() {
    let secret = Secret([3; 16]);
    let proof = secret.proof(&device(MANAGER), &device(DEVICE));
    assert!(secret.proves(&device(MANAGER), &device(DEVICE), &proof));
    assert!(!secret.proves(&device(DEVICE), &device(MANAGER), &proof));
    assert!(!secret.proves(&device(MANAGER), &device(OTHER), &proof));
    assert!(!Secret([4; 16]).proves(&device(MANAGER), &device(DEVICE), &proof));
    assert_eq!(format!("{secret:?}"), "Secret(..)", "a secret is not for logs");
    assert!(!format!("{:?}", key(1)).contains("1, 1, 1"), "nor a key");
}
