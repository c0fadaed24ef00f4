//! Golden bytes: these formats are on disks and wires for good.
//!
//! A row that fails means that an older version's disk or peer would no longer be understood. Never mend the row:
//! mend the code, or raise the version of what changed.

use data_encoding::HEXLOWER;
use ucash::log::{
    Body, Head, LogId, Segment, SigningKey, Suffix, actor_of, check_suffix, credit_id, digest_of, movement_id,
    payment_id, root_of,
};
use ucash::membership::{Certificate, Credentials, Invitation, ReadScope, Role, Secret};
use ucash::model::{
    CreditId, DeviceKey, DocumentId, Hlc, Incarnation, Month, NetworkId, Operation, Scope, ShopId, Timestamp,
};
use ucash::wire::{Answered, GossipKey, Message, Packed, Position, ScopeDigest, Want, decode, encode};

use crate::samples::{NOW, Paper, credit_document, every_operation, grant, month_document, payment, sim, usd};

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Compares all rows at once, so that one run shows all that changed.
fn check(rows: &[(&str, String, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(name, found, wanted)| format!("{name}\n  found  {found}\n  wanted {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "formats changed:\n{}", wrong.join("\n"));
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn log() -> LogId {
    LogId { scope: Scope::Shop(ShopId(5)), device: key(1).public(), incarnation: Incarnation(0x0102_0304_0506_0708) }
}

fn body() -> Body {
    Body {
        stamp: Hlc::at(NOW),
        wall: NOW.plus_ms(-1),
        run: 0x1112_1314_1516_1718,
        document: credit_document(),
        change: vec![1, 2, 3],
    }
}

fn suffix() -> Suffix {
    let body = body().to_bytes();
    let log = log();
    // The chain, spelt out: BLAKE3 in derive-key mode over the hash before, the number and the body.
    let mut hasher = blake3::Hasher::new_derive_key("ucash/v1/entry");
    hasher.update(&root_of(&log)).update(&1_u64.to_be_bytes()).update(&body);
    let signature = key(1).sign("ucash/v1/entry", hasher.finalize().as_bytes());
    Suffix { log, from: 1, bodies: vec![body], signature }
}

fn certificate() -> Certificate {
    let authority = key(9).public();
    Certificate {
        network: NetworkId::of_authority(&authority),
        subject: key(1).public(),
        shop: ShopId(5),
        role: Role::Manager,
        read: ReadScope::Own,
        issued_at: NOW,
        expires_at: None,
        issuer: authority,
    }
}

#[test]
fn logs_and_entries() {
    let registry = LogId { scope: Scope::Registry, ..log() };
    let root = Head { number: 0, hash: root_of(&log()) };
    let entries = check_suffix(&root, &suffix()).expect("our own suffix");
    let head = Head { number: 1, hash: entries[0].hash };
    check(&[
        // Scope (1), shop (4), device (32), incarnation (8).
        (
            "log of a shop",
            hex(&log().to_bytes()),
            "01000000058a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c0102030405060708",
        ),
        (
            "log of the registry",
            hex(&registry.to_bytes()),
            "00000000008a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c0102030405060708",
        ),
        ("a log's root", hex(&root.hash), "30585f04a68985862c145385e17017a5599ecd2739b75b6d6451ead4d338e848"),
        // CBOR: array of stamp, wall, run (bytes), document (bytes), change (bytes).
        (
            "body",
            hex(&body().to_bytes()),
            "851b019e7044880000001b0000019e704487ff4811121314151617184f03000000050707070707070707070743010203",
        ),
        ("an entry's hash", hex(&entries[0].hash), "644a42e5047e8db9c53725bf9cf77f936aaa315c675650613aa55480e196cbc5"),
        (
            "an entry's signature",
            hex(&suffix().signature),
            "592932af2449059cf32093603dc72c5b8a9350848b56e43705e2c1ed1850d43247ea27309ff67841547b601fc51a4233\
            2c07a8f53d40496024087e632d90f507",
        ),
        (
            "digest of one log",
            hex(&digest_of([(&log(), &head)].into_iter())),
            "16d55a9b1362c054800b179473b6165c5ea6cde99ba673ce773aaa94585c017c",
        ),
        (
            "digest of no log",
            hex(&digest_of([(&log(), &root)].into_iter())),
            "24412b9dc7410127778a7a38d366b84cb9de9e85049702adbf8e34e3da8a1e1d",
        ),
        ("actor", hex(&actor_of(&log(), 7)), "a77e8f88fa0c648f1ddcd16fdb2bc918"),
        ("credit id", credit_id(&log(), 3, &[1, 2, 3]).to_string(), "cr_snj464dbujmhxbct"),
        ("movement id", movement_id(&log(), 7, 3).to_string(), "mv_3zswpomzgpwn4jb6"),
        ("payment id", payment_id(&log(), 7, 3).to_string(), "pm_s63wllmzy7u3v7pk"),
        ("device key", key(1).public().to_string(), "rkeohxlubhyzl7ks3mwtzos5olfgocn7dwkbeg7toseadnapn5oa"),
        ("network id", certificate().network.to_string(), "iljodixyvp2ivk6d4zsxo3zkj4"),
    ]);
}

#[test]
fn documents_in_bodies() {
    let document = |document| hex(&Body { document, change: Vec::new(), ..body() }.to_bytes());
    let december = Month { year: 2026, month: 12 };
    check(&[
        (
            "on the registry",
            document(DocumentId::Registry),
            "851b019e7044880000001b0000019e704487ff481112131415161718410040",
        ),
        (
            "on a shop",
            document(DocumentId::Shop(ShopId(5))),
            "851b019e7044880000001b0000019e704487ff48111213141516171845010000000540",
        ),
        (
            "on a month",
            document(DocumentId::SimMonth { shop: ShopId(5), sim: sim(), month: december }),
            "851b019e7044880000001b0000019e704487ff48111213141516171855020000000507ea0c2b32343339373137373736\
            333140",
        ),
        (
            "on a credit",
            document(DocumentId::Credit { shop: ShopId(5), id: CreditId([7; 10]) }),
            "851b019e7044880000001b0000019e704487ff4811121314151617184f03000000050707070707070707070740",
        ),
    ]);
}

#[test]
fn changes() {
    let paper = Paper::after(credit_document(), &[Operation::Grant(grant())]);
    let payment = paper.draft(&Operation::Pay(payment(1, usd("30"))));
    let shop = Operation::AddShop { shop: ShopId(5), name: "Goma".to_owned() };
    let shop = Paper::new(DocumentId::Registry, 1).draft(&shop);
    let opening = crate::samples::movement(1, ucash::model::MovementKind::Opening(usd("500")));
    let opening = Paper::new(month_document(), 1).draft(&Operation::Move(opening));
    // Automerge's own format, with our keys in it.
    check(&[
        (
            "to grant",
            hex(&paper.changes[0]),
            "856f4a83b465cf5501ac02001001010101010101010101010101010101010180909282e733000006156b340142025617\
            577c700272097265666572656e636506616d6f756e740373696d046b696e641062656e65666963696172795f73686f70\
            056167656e740a6772616e7465645f6174066f6c645f6964046e616d650570686f6e650761646472657373066475655f\
            6174056e6f746573067374617475730e0e01788601a601d60146149601692402d6017c960269960256435245442d3030\
            313130302e3030205553442b32343339373137373736333173686f70076573706572616e636580909282e733e724416d\
            616e69204d756d626572652b32343339373130303030303141762e206475204c616320340a476f6d6180c8ababe733c3\
            a02070617965722076656e647265646961637469660e00",
        ),
        (
            "to pay",
            hex(&payment),
            "856f4a83e196e27901e10101b465cf555eba7fbf5913716ea19b38b24b6a3cb945be52cdeda9d6408a3997ce10010101\
            01010101010101010101010101020f81909282e73300000a01060206154334014204560b572970047102730200010500\
            00010001050f0001791b7061796d656e742f706d5f6165617163616962616561716361696206616d6f756e74046d6f64\
            65097265666572656e6365056167656e7402617406737461747573077f000601790096014686019601695633302e3030\
            20555344636173685245c387552031326573706572616e636580909282e733616374696606007f017f007f0e",
        ),
        (
            "to add a shop",
            hex(&shop),
            "856f4a83cd0b58cf014f001001010101010101010101010101010101010180909282e73300000801040204150d340142\
            0356035704700200017f0000017f017e0673686f702f35046e616d65027e00017e0046476f6d610200",
        ),
        (
            "to open a SIM",
            hex(&opening),
            "856f4a83305380fd01a001001001010101010101010101010101010101010180909282e73300000801040204153a3401\
            420456095721700200010500000105017a1c6d6f76656d656e742f6d765f61656171636169626165617163616962046b\
            696e6406616d6f756e74026174056167656e74066f6c645f6964067f0005017a0076a601699601146f70656e696e6735\
            30302e30302055534480909282e7336573706572616e6365090600",
        ),
    ]);
}

#[test]
fn changes_about_shares_and_closings() {
    let samples = every_operation();
    let drawn = |is: fn(&Operation) -> bool| {
        let (document, before, operation) = samples.iter().find(|(.., operation)| is(operation)).expect("a sample");
        hex(&Paper::after(document.clone(), before).draft(operation))
    };
    let gift = |operation: &Operation| matches!(operation, Operation::Move(it) if it.kind.word() == "gift");
    let moved = |operation: &Operation| matches!(operation, Operation::Move(it) if it.kind.word() == "moved");
    check(&[
        (
            "to name a keeper",
            drawn(|operation| matches!(operation, Operation::NameKeeper { .. })),
            "856f4a83ffc29cd2016f001001010101010101010101010101010101010180909282e733000006150a34014202560357\
            3470027f086b65657065722f35017f017fc606616d627167617964616d627167617964616d627167617964616d627167\
            617964616d627167617964616d627167617964616d62717f00",
        ),
        (
            "to stop",
            drawn(|operation| matches!(operation, Operation::Stop { .. })),
            "856f4a8393eec15d01c401001001010101010101010101010101010101010180909282e733000006154e340142025603\
            574570027f4c73746f702f352f6165617163616962616561716361696261656171636169626165617163616962616561\
            71636169626165617163616962616561712e30303030303030303030303030303031017f017fd6086169626165617163\
            61696261656171636169626165617163616962616561716361696261656171636169626165617163616962612e303030\
            303030303030303030303030327f00",
        ),
        (
            "to close",
            drawn(|operation| matches!(operation, Operation::Close(_))),
            "856f4a83a7e13ae301f401001001010101010101010101010101010101010180909282e73300000801040204156a3401\
            420456075747700200010300000103017c4d636c6f73652f352f61656171636169626165617163616962616561716361\
            6962616561716361696261656171636169626165617163616962616561712e3030303030303030303030303030303103\
            656e640c72656769737472795f656e6409737563636573736f72047f0003017f0002147fd60829036169626165617163\
            61696261656171636169626165617163616962616561716361696261656171636169626165617163616962612e303030\
            303030303030303030303030320400",
        ),
        (
            "to move a SIM",
            drawn(|operation| matches!(operation, Operation::MoveSim { .. })),
            "856f4a83bd762a96015f001001010101010101010101010101010101010180909282e73300000801040204151d340142\
            0456045702700200010200000102017d136d6f7665642f2b3234333937313737373633310466726f6d02746f037f0002\
            017f00021405070300",
        ),
        (
            "to say what is seen",
            drawn(|operation| matches!(operation, Operation::Sight { .. })),
            "856f4a83335416e501a302001001010101010101010101010101010101010180909282e7330000080104020415d90134\
            01420456045709700200010200000102017d4b73696768742f6169626165617163616962616561716361696261656171\
            63616962616561716361696261656171636169626165617163616962612e303030303030303030303030303030324561\
            656171636169626165617163616962616561716361696261656171636169626165617163616962616561716361696261\
            6561712e3030303030303030303030303030303145616d627167617964616d627167617964616d627167617964616d62\
            7167617964616d627167617964616d627167617964616d62712e30303030303030303030303030303033037f0002017d\
            00564634312f332134312f330300",
        ),
        (
            "to take over",
            drawn(|operation| matches!(operation, Operation::TakeOver { .. })),
            "856f4a831eea6add01e001001001010101010101010101010101010101010180909282e7330000080104020415593401\
            420456055746700200010200000102017d5073756363657373696f6e2f61696261656171636169626165617163616962\
            6165617163616962616561716361696261656171636169626165617163616962612e3030303030303030303030303030\
            3032026f6603656e64037f0002017d00d608146165617163616962616561716361696261656171636169626165617163\
            61696261656171636169626165617163616962616561712e30303030303030303030303030303031290300",
        ),
        (
            "to give",
            drawn(gift),
            "856f4a83ff2503a101e601001001010101010101010101010101010101010180909282e73300000801040204153d3401\
            4204560b576270020001060000010601791c6d6f76656d656e742f6d765f61656171636169626165617163616962046b\
            696e6406616d6f756e74026174056167656e74066f6c645f696402746f077f000601790046960169960114d608676966\
            7432302e30302055534480909282e7336573706572616e63650961696261656171636169626165617163616962616561\
            7163616962616561716361696261656171636169626165617163616962612e3030303030303030303030303030303207\
            00",
        ),
        (
            "to take along",
            drawn(moved),
            "856f4a83d7a10e9e019c01001001010101010101010101010101010101010180909282e73300000801040204153a3401\
            42045609571d700200010500000105017a1c6d6f76656d656e742f6d765f61656171636169626165617163616962046b\
            696e6406616d6f756e74026174056167656e74066f6c645f6964067f0005017a00568601699601146d6f766564372e35\
            302055534480909282e7336573706572616e6365090600",
        ),
        (
            "to take a gift",
            drawn(|operation| matches!(operation, Operation::TakeGift { .. })),
            "856f4a831cacbecb01820101ff2503a13f413c7d04db7036b168ea30cabb07bffd34a7d63068a3c7c794e03010010101\
            01010101010101010101010101020881909282e73300000801040204151e3401420356035706700200017f0000017f08\
            7e1974616b656e2f6d765f61656171636169626165617163616962026174027e00017e006980909282e7330200",
        ),
        (
            "to bear a gift",
            drawn(|operation| matches!(operation, Operation::BearGift { .. })),
            "856f4a837dbf9a0c01820101ff2503a13f413c7d04db7036b168ea30cabb07bffd34a7d63068a3c7c794e03010010101\
            01010101010101010101010101020881909282e73300000801040204151e3401420356035706700200017f0000017f08\
            7e19626f726e652f6d765f61656171636169626165617163616962026174027e00017e006980909282e7330200",
        ),
        (
            "to return",
            drawn(|operation| matches!(operation, Operation::Return { .. })),
            "856f4a835422c8bb016001ecfe89a7aa164b495e7c09213f9e9c2436e86c027c0e1eae6bc3b0b5ccf106a01001010101\
            010101010101010101010101031482909282e733000006150a340142025602570670027f0872657475726e6564017f01\
            7f6980909282e7337f00",
        ),
    ]);
}

#[test]
fn changes_of_gateways() {
    let samples = every_operation();
    let drawn = |is: fn(&Operation) -> bool| {
        let (document, before, operation) = samples.iter().find(|(.., operation)| is(operation)).expect("a sample");
        hex(&Paper::after(document.clone(), before).draft(operation))
    };
    check(&[
        (
            "to name a gateway",
            drawn(|operation| matches!(operation, Operation::NameGateway { .. })),
            "856f4a83b6fe8fe60170001001010101010101010101010101010101010180909282e733000006150b34014202560357\
            3470027f09676174657761792f35017f017fc60661716361696261656171636169626165617163616962616561716361\
            6962616561716361696261656171636169626165617163617f00",
        ),
        (
            "to import a grant that says when it changed last",
            drawn(|operation| matches!(operation, Operation::Grant(grant) if grant.old_modified_at.is_some())),
            "856f4a837172575c01c002001001010101010101010101010101010101010180909282e7330000061577340142025618\
            578201700271097265666572656e636506616d6f756e740373696d046b696e641062656e65666963696172795f73686f\
            70056167656e740a6772616e7465645f6174066f6c645f69640b6d6f6469666965645f6174046e616d650570686f6e65\
            0761646472657373066475655f6174056e6f746573067374617475730f0f01778601a601d6014614960169246902d601\
            7c960269960256435245442d3030313130302e3030205553442b32343339373137373736333173686f70076573706572\
            616e636580909282e733e724f8e89182e733416d616e69204d756d626572652b32343339373130303030303141762e20\
            6475204c616320340a476f6d6180c8ababe733c3a02070617965722076656e647265646961637469660f00",
        ),
        (
            "to report a grant",
            drawn(|operation| matches!(operation, Operation::Grant(grant) if grant.reported.is_some())),
            "856f4a83149faf7601cf02001001010101010101010101010101010101010180909282e733000006157d34014202561a\
            578901700270097265666572656e636506616d6f756e740373696d046b696e641062656e65666963696172795f73686f\
            70056167656e740a6772616e7465645f617405746f6b656e056c6162656c0c6167656e745f6e756d626572046e616d65\
            0570686f6e650761646472657373066475655f6174056e6f74657306737461747573101001768601a601d60146149601\
            696686011402d6017c960269960256435245442d3030313130302e3030205553442b3234333937313737373633317368\
            6f70076573706572616e636580909282e7336b3376397832436169737365203107416d616e69204d756d626572652b32\
            343339373130303030303141762e206475204c616320340a476f6d6180c8ababe733c3a02070617965722076656e6472\
            65646961637469661000",
        ),
        (
            "to report a payment",
            drawn(|operation| matches!(operation, Operation::Pay(payment) if payment.reported.is_some())),
            "856f4a830a32c495019c0201b465cf555eba7fbf5913716ea19b38b24b6a3cb945be52cdeda9d6408a3997ce10010101\
            01010101010101010101010101020f81909282e733000008010402041554340142045611575b7002000109000001090f\
            761b7061796d656e742f706d5f75693772627973336861766b3367793306616d6f756e74046d6f646509726566657265\
            6e6365056167656e7402617405746f6b656e056c6162656c05737461727405746f74616c0a7f00090176009601468601\
            9601696686018604960133302e303020555344636173685245c387552031326573706572616e636580909282e7336b33\
            763978324361697373652031303930393039303930393039303930393039303930393039303930393039303935302e30\
            30205553440a00",
        ),
    ]);
}

#[test]
fn segments() {
    let plain = Segment { bodies: vec![vec![1, 2, 3], vec![4]], signature: None };
    let signed = Segment { bodies: vec![vec![1, 2, 3]], signature: Some([7; 64]) };
    check(&[
        // Tag 0, then CBOR: array of bodies (bytes) and the signature (bytes, or nothing).
        ("plain segment", hex(&plain.to_bytes()), "008182430102034104"),
        (
            "signed segment",
            hex(&signed.to_bytes()),
            "008281430102035840070707070707070707070707070707070707070707070707070707070707070707070707070707\
            07070707070707070707070707070707070707070707070707",
        ),
    ]);
    // Compressed ones may be written otherwise by a later zstd; these bytes must be read for ever.
    let long = Segment { bodies: vec![vec![0xab; 700], vec![0xcd; 20]], signature: Some([7; 64]) };
    let stored = "0128b52ffd601802ad00005882825902bcab54cd584007031000944682715545";
    assert_eq!(Segment::from_bytes(&HEXLOWER.decode(stored.as_bytes()).expect("hex")), Ok(long.clone()));
    assert_eq!(Segment::from_bytes(&long.to_bytes()), Ok(long));
}

#[test]
fn certificates_and_invitations() {
    let expiring = Certificate { expires_at: Some(NOW.plus_ms(1)), read: ReadScope::All, ..certificate() };
    let secret = Secret([3; 16]);
    let invitation = Invitation {
        network: certificate().network,
        inviter: key(1).public(),
        id: [4; 8],
        secret,
        shop: ShopId(5),
        expires_at: NOW,
        addresses: vec!["/ip4/192.168.1.7/tcp/4711".to_owned()],
    };
    check(&[
        // CBOR: array of the signed fields (bytes) and the signature (bytes).
        (
            "certificate",
            hex(&certificate().sign(&key(9))),
            "825863885042d2e1a2f8abf48aabc3e665776f2a4f58208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3\
            748801b40f6f5c0503f41b0000019e70448800f65820fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702\
            eac835e9f6185840e141906388cb5d79531391c0f0549488bfdbf23a2158c5e9e79d7c3e7c784c843b4e175daaefa7bf\
            041f68808a7e03f6beb638e17bf9919fa0b6320169158106",
        ),
        (
            "expiring certificate",
            hex(&expiring.sign(&key(9))),
            "82586b885042d2e1a2f8abf48aabc3e665776f2a4f58208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3\
            748801b40f6f5c0503f51b0000019e704488001b0000019e704488015820fd1724385aa0c75b64fb78cd602fa1d991fd\
            ebf76b13c58ed702eac835e9f6185840a63779f067b5973eef05ee31f19dfdf66afdfcb74a49eb5254089468ac01f66a\
            d074a1490113a564cf7391ccff0415a4ad944180014c66e808652346496dd10c",
        ),
        (
            "invitation",
            invitation.to_text(),
            "ucash1sagy95hp5tu2hay240p7vethdu4y7kpq32yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawyspqyqs\
            zqgpqyq3gqxqcrqvpsxqcrqvpsxqcrqvpsxpgmqqqqr8nsgjyqpqtcryhkjup59ucnjv3wxymrst339cmj7arrwqhngde3xy\
            2h5zcg",
        ),
        (
            "proof",
            hex(&secret.proof(&key(1).public(), &key(2).public())),
            "73d2812a06505802ee75a3c6e0a7b89ab4394030e3d8867fcd6df51f1a1e9519",
        ),
    ]);
    let roles: Vec<(u8, &str)> = Role::ALL.iter().map(|role| (*role as u8, role.word())).collect();
    assert_eq!(roles, [(0, "auditor"), (1, "relay"), (2, "device"), (3, "manager"), (4, "headoffice")]);
}

#[test]
fn messages() {
    let log = log();
    let credentials = Credentials { authority: key(9).public(), certificate: vec![1, 2], issuer: None };
    let with_issuer = Credentials { issuer: Some(vec![3]), ..credentials.clone() };
    let head = Head { number: 3, hash: [6; 32] };
    let shop = Scope::Shop(ShopId(5));
    let network = NetworkId([2; 16]);
    let rows = [
        (
            "hello",
            Message::Hello { protocol: 1, network, wall: NOW, digest: [1; 32], incarnation: Incarnation(5) },
            "8200850150020202020202020202020202020202021b0000019e70448800582001010101010101010101010101010101\
            01010101010101010101010101010101480000000000000005",
        ),
        ("who are you", Message::WhoAreYou, "820180"),
        (
            "credentials",
            Message::Credentials(Box::new(credentials)),
            "820281825820fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618420102",
        ),
        (
            "credentials with an issuer",
            Message::Credentials(Box::new(with_issuer.clone())),
            "820281835820fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f6184201024103",
        ),
        (
            "digest",
            Message::Digest([1; 32]),
            "82038158200101010101010101010101010101010101010101010101010101010101010101",
        ),
        ("same", Message::Same([1; 32]), "82048158200101010101010101010101010101010101010101010101010101010101010101"),
        (
            "scopes",
            Message::Scopes(vec![
                ScopeDigest { scope: Scope::Registry, digest: [1; 32] },
                ScopeDigest { scope: shop, digest: [2; 32] },
            ]),
            "820581828200582001010101010101010101010101010101010101010101010101010101010101018205582002020202\
            02020202020202020202020202020202020202020202020202020202",
        ),
        (
            "positions",
            Message::Positions {
                scopes: vec![Scope::Registry, shop],
                positions: vec![Position { log, head }],
                answer: true,
            },
            "8206838200058183582d01000000058a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c01\
            020304050607080358200606060606060606060606060606060606060606060606060606060606060606f5",
        ),
        (
            "want",
            Message::Want(vec![Want { log, from: 1, to: 300 }]),
            "8207818183582d01000000058a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c01020304\
            050607080119012c",
        ),
        (
            "entries",
            Message::Entries(Packed::pack(&suffix())),
            "820886582d01000000058a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c010203040506\
            070801015840592932af2449059cf32093603dc72c5b8a9350848b56e43705e2c1ed1850d43247ea27309ff67841547b\
            601fc51a42332c07a8f53d40496024087e632d90f507f45833815830851b019e7044880000001b0000019e704487ff48\
            11121314151617184f03000000050707070707070707070743010203",
        ),
        ("sent", Message::Sent, "820980"),
        (
            "locate",
            Message::Locate { log, places: vec![Head { number: 7, hash: [9; 32] }] },
            "820f82582d01000000058a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c010203040506070881820758200909090909090909090909090909090909090909090909090909090909090909",
        ),
        (
            "branch",
            Message::Branch { after: [9; 32], entries: Packed::pack(&suffix()) },
            "82108758200909090909090909090909090909090909090909090909090909090909090909582d01000000058a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c010203040506070801015840592932af2449059cf32093603dc72c5b8a9350848b56e43705e2c1ed1850d43247ea27309ff67841547b601fc51a42332c07a8f53d40496024087e632d90f507f45833815830851b019e7044880000001b0000019e704487ff4811121314151617184f03000000050707070707070707070743010203",
        ),
        (
            "ask",
            Message::Ask { shop: ShopId(5), sim: sim(), amount: usd("7.50") },
            "820d83056d2b32343339373137373736333168372e353020555344",
        ),
        (
            "given",
            Message::Given { shop: ShopId(5), sim: sim(), amount: usd("0") },
            "820e83056d2b32343339373137373736333168302e303020555344",
        ),
        (
            "join",
            Message::Join { invitation: [4; 8], proof: [5; 32], name: "téléphone".to_owned() },
            "820a83480404040404040404582005050505050505050505050505050505050505050505050505050505050505056b74\
            c3a96cc3a970686f6e65",
        ),
        (
            "joined",
            Message::Joined { credentials: Box::new(with_issuer), gossip_key: GossipKey([8; 32]) },
            "820b82835820fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f61842010241035820080808\
            0808080808080808080808080808080808080808080808080808080808",
        ),
        ("refused: version", Message::Refused(Answered::Version), "820c8100"),
        ("refused: stranger", Message::Refused(Answered::Stranger), "820c8101"),
        ("refused: invitation unknown", Message::Refused(Answered::InvitationUnknown), "820c8102"),
        ("refused: invitation used", Message::Refused(Answered::InvitationUsed), "820c8103"),
        ("refused: invitation expired", Message::Refused(Answered::InvitationExpired), "820c8104"),
        ("refused: unable", Message::Refused(Answered::Unable), "820c8105"),
    ];
    let found: Vec<_> = rows.iter().map(|(name, message, wanted)| (*name, hex(&encode(message)), *wanted)).collect();
    check(&found);
    for (name, message, wanted) in &rows {
        let bytes = HEXLOWER.decode(wanted.as_bytes()).expect("hex");
        assert_eq!(decode(&bytes).as_ref(), Ok(message), "{name}");
    }
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(LogId::from_bytes(&log().to_bytes()), Some(log()));
    assert_eq!(Body::from_bytes(&body().to_bytes()), Ok(body()));
    assert_eq!(Certificate::from_bytes(&certificate().sign(&key(9))), Ok(certificate()));
    assert_eq!(DeviceKey::from_text(&key(1).public().to_text()), Some(key(1).public()));
    assert_eq!(Timestamp(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
}
