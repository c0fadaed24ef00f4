//! Shares and closings through the program itself: real processes, real sockets, and the answers that a person gets.

use serde_json::{Value, json};

use crate::process::{ANY_HTTP, Shop, eventually, one_digest, same};

const SIM: &str = "+243970000001";
/// Compare often: these tests stop and start nodes all the time.
const BRISK: [&str; 2] = ["--sync-every", "1s"];

/// Who holds how much, as that device knows it.
fn view(shop: &Shop) -> Value {
    shop.ok(&["sim", "share", SIM])
}

/// This device's own share.
fn own(shop: &Shop, currency: &str) -> String {
    let view = view(shop);
    let holders = view["shares"][currency].as_array().expect("a list").iter();
    let mine: Vec<&Value> = holders.filter(|holder| holder["this_device"] == true).collect();
    assert_eq!(mine.len(), 1, "one share is this device's: {view}");
    mine[0]["share"].as_str().expect("a decimal text").to_owned()
}

/// An amount in cents.
fn cents(text: &str) -> i64 {
    text.replace('.', "").parse().expect("a decimal text with two decimals")
}

/// What all devices together hold as that one knows it, gifts on their way and amounts on their way back included.
fn total(shop: &Shop, currency: &str) -> i64 {
    let view = view(shop);
    let list = |member: &str| view[member][currency].as_array().expect("a list").clone();
    let sum = |items: Vec<Value>, name: &str| items.iter().map(|item| cents(item[name].as_str().expect("text"))).sum();
    let (held, given): (i64, i64) = (sum(list("shares"), "share"), sum(list("on_the_way"), "amount"));
    held + given + cents(view["coming_back"][currency].as_str().expect("text"))
}

/// Waits until each device's share is that.
#[track_caller]
fn shares_are(currency: &str, expected: &[(&Shop, &str)]) {
    eventually("these shares", || {
        let found: Vec<String> = expected.iter().map(|(shop, _)| own(shop, currency)).collect();
        let wanted: Vec<String> = expected.iter().map(|(_, share)| (*share).to_owned()).collect();
        same((currency, found), (currency, wanted))
    });
}

fn available(shop: &Shop, currency: &str) -> Value {
    shop.ok(&["sim", "balance", SIM])["balances"][currency]["available"].clone()
}

fn grant<'a>(reference: &'a str, amount: &'a str, currency: &'a str) -> Vec<&'a str> {
    let money = ["--amount", amount, "--currency", currency];
    [&["credit", "grant", "--reference", reference, "--to", "Kambale", "--sim", SIM], &money[..]].concat()
}

/// A shop's head office with a SIM of that much in each currency, running.
fn founded(usd: &str, cdf: &str) -> Shop {
    let mut siege = Shop::found("siege", "Parts", 1);
    siege.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", usd, "--initial-cdf", cdf]);
    siege.start(&BRISK);
    siege
}

fn joined(name: &str, inviter: &Shop) -> Shop {
    joined_beside(name, inviter, &[])
}

/// The same, in contact with those too, as all devices of a shop's LAN are.
fn joined_beside(name: &str, inviter: &Shop, others: &[&Shop]) -> Shop {
    let mut device = Shop::join(name, inviter, 1);
    let addresses: Vec<String> = others.iter().map(|other| other.address()).collect();
    let peers: Vec<&str> = addresses.iter().flat_map(|address| ["--peer", address]).collect();
    device.start(&[&BRISK[..], &peers].concat());
    device
}

/// Faults F10 and F9 of the existing system: two devices of a shop overdrew a SIM, and dollars paid for francs.
#[test]
fn f10_f9_two_devices_of_a_shop_over_sockets() {
    let mut siege = founded("100", "100");
    let caisse = joined("caisse", &siege);
    // Nobody asked for it: what lies idle evens out.
    shares_are("USD", &[(&siege, "50.00"), (&caisse, "50.00")]);
    shares_are("CDF", &[(&siege, "50.00"), (&caisse, "50.00")]);

    // More than its share, and the other is there: it asks and gets within the command.
    let granted = caisse.ok(&grant("ENSEMBLE", "80", "USD"));
    assert_eq!(granted["status"], "accorde");
    shares_are("USD", &[(&siege, "10.00"), (&caisse, "10.00")]);
    shares_are("CDF", &[(&siege, "50.00"), (&caisse, "50.00")]);

    let listen = siege.listen();
    assert!(siege.stop().success());
    let refused = caisse.run(&grant("SEULE", "15", "USD"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let error = refused.error();
    assert_eq!(error["code"], "insufficient_share");
    let facts = ["asked", "share", "available", "currency"].map(|name| error[name].as_str().unwrap_or_default());
    assert_eq!(facts, ["15.00", "10.00", "20.00", "USD"]);
    let holders = error["holders"].as_array().expect("who holds the rest");
    assert_eq!(holders.len(), 1, "{error}");
    assert_eq!((&holders[0]["device"], &holders[0]["share"]), (&json!("siege"), &json!("10.00")));
    assert!(holders[0]["last_seen"].is_string(), "{error}");
    assert!(caisse.credit("SEULE").is_err());
    assert_eq!((own(&caisse, "USD"), own(&caisse, "CDF")), ("10.00".to_owned(), "50.00".to_owned()));
    // What the other currency holds is no help, nor is it touched.
    assert_eq!(available(&caisse, "CDF"), "100.00");

    let cancelled = caisse.ok(&["credit", "cancel", "ENSEMBLE", "--why", "erreur"]);
    assert_eq!(cancelled["status"], "annule");
    let waiting = view(&caisse);
    assert_eq!(waiting["coming_back"]["USD"], "80.00", "not before the other knows: {waiting}");
    assert_eq!(own(&caisse, "USD"), "10.00");
    assert_eq!(total(&caisse, "USD"), 10_000);

    siege.start_at(ANY_HTTP, &listen, &BRISK);
    for shop in [&siege, &caisse] {
        eventually("the amount to come back", || same(view(shop)["coming_back"]["USD"].as_str(), Some("0.00")));
    }
    shares_are("USD", &[(&siege, "50.00"), (&caisse, "50.00")]);
    one_digest(&[&siege, &caisse]);
    for shop in [&siege, &caisse] {
        assert_eq!((available(shop, "USD"), available(shop, "CDF")), (json!("100.00"), json!("100.00")));
        assert_eq!((total(shop, "USD"), total(shop, "CDF")), (10_000, 10_000));
        shop.assert_sound();
    }
}

/// By hand: a gift, a request for one, the same request sent twice, and a return that waits for nobody.
#[test]
fn shares_are_given_asked_for_and_returned_by_hand() {
    let mut siege = founded("100", "0");
    let caisse = joined("caisse", &siege);
    shares_are("USD", &[(&siege, "50.00"), (&caisse, "50.00")]);

    siege.ok(&["sim", "share", SIM, "--give", "5", "--currency", "USD", "--to", "caisse"]);
    shares_are("USD", &[(&siege, "45.00"), (&caisse, "55.00")]);
    let asked = siege.ok(&["sim", "share", SIM, "--ask", "10", "--currency", "USD"]);
    assert_eq!(asked["sim"], SIM);
    shares_are("USD", &[(&siege, "55.00"), (&caisse, "45.00")]);

    // A client whose connection broke sends it again.
    let (path, body) = (format!("/api/v1/sims/{SIM}/share-requests"), json!({"ask": "10.00", "currency": "USD"}));
    let first = siege.face().post(&path, "une-fois", &body).expect("an answer");
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.location.as_deref(), Some(format!("/api/v1/sims/{SIM}/shares").as_str()));
    assert_eq!(siege.face().post(&path, "une-fois", &body), Ok(first));
    shares_are("USD", &[(&siege, "65.00"), (&caisse, "35.00")]);

    let too_much = siege.run(&["sim", "share", SIM, "--ask", "36", "--currency", "USD"]);
    assert_eq!((too_much.code, too_much.error()["code"].as_str()), (Some(1), Some("insufficient_share")));
    let unknown = siege.run(&["sim", "share", SIM, "--give", "1", "--currency", "USD", "--to", "personne"]);
    assert_eq!((unknown.code, unknown.error()["code"].as_str()), (Some(1), Some("unknown_device")));
    for misuse in [
        &["--give", "1", "--currency", "USD"][..],
        &["--give", "1", "--to", "caisse"],
        &["--ask", "1"],
        &["--ask", "1", "--currency", "USD", "--to", "caisse"],
        &["--ask", "1", "--give", "1", "--currency", "USD", "--to", "caisse"],
        &["--currency", "USD"],
    ] {
        assert_eq!(siege.run(&[&["sim", "share", SIM], misuse].concat()).code, Some(2), "{misuse:?}");
    }

    let shares = (own(&siege, "USD"), own(&caisse, "USD"));
    assert_eq!(shares, ("65.00".to_owned(), "35.00".to_owned()), "nothing that was refused moved anything");
    assert!(siege.stop().success());
    caisse.ok(&grant("RENDU", "30", "USD"));
    let early = caisse.run(&["credit", "return", "RENDU"]);
    assert_eq!((early.code, early.error()["code"].as_str()), (Some(1), Some("credit_not_cancelled")));
    caisse.ok(&["credit", "cancel", "RENDU", "--why", "erreur"]);
    assert_eq!(own(&caisse, "USD"), "5.00");
    caisse.ok(&["credit", "return", "RENDU"]);
    assert_eq!(own(&caisse, "USD"), "35.00");
    let twice = caisse.run(&["credit", "return", "RENDU"]);
    assert_eq!((twice.code, twice.error()["code"].as_str()), (Some(1), Some("credit_returned")));
    caisse.assert_sound();
}

/// After how long an amount returns although a device was not heard of is a setting.
#[test]
fn a_cancelled_amount_waits_as_long_as_it_is_told_to() {
    let mut siege = founded("100", "0");
    let mut caisse = joined("caisse", &siege);
    shares_are("USD", &[(&siege, "50.00"), (&caisse, "50.00")]);
    assert!(siege.stop().success());
    caisse.ok(&grant("SEULE", "30", "USD"));
    caisse.ok(&["credit", "cancel", "SEULE", "--why", "erreur"]);
    assert_eq!(own(&caisse, "USD"), "20.00");
    assert!(caisse.stop().success());
    // The other never hears of it.
    caisse.start(&["--return-after", "0s"]);
    eventually("the amount to come back", || same(own(&caisse, "USD"), "50.00".to_owned()));
    let wrong = caisse.run(&["start", "--return-after", "demain"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

/// Domain rule 7, end to end: a device is lost, closed by the keeper, and turns up again.
#[test]
fn a_lost_device_is_closed_and_comes_back_with_nothing() {
    let mut siege = founded("90", "0");
    let mut caisse = joined("caisse", &siege);
    let mut perdu = joined_beside("perdu", &siege, &[&caisse]);
    eventually("shares of all three", || {
        let shares = [&siege, &caisse, &perdu].map(|shop| own(shop, "USD"));
        let known = view(&siege)["shares"]["USD"].as_array().map_or(0, Vec::len);
        if shares.iter().all(|share| cents(share) >= 1_000) { same(known, 3) } else { Err(format!("{shares:?}")) }
    });
    siege.ok(&grant("ANCIEN", "10", "USD"));
    eventually("the credit there", || perdu.credit("ANCIEN"));
    one_digest(&[&siege, &caisse, &perdu]);

    // Lost: what it does from now on nobody hears of.
    perdu.kill();
    let listen = [siege.listen(), caisse.listen()];
    assert!(caisse.stop().success());
    let (kept, lost) = (cents(&own(&siege, "USD")), cents(&own(&perdu, "USD")));

    let not_here = caisse.run(&["device", "close", "perdu"]);
    assert_eq!((not_here.code, not_here.error()["code"].as_str()), (Some(1), Some("not_keeper")), "{not_here:?}");
    let stopped = siege.ok(&["device", "close", "perdu"]);
    assert_eq!((&stopped["state"], &stopped["waiting_for"]), (&json!("stopped"), &json!(["caisse"])), "{stopped}");
    assert_eq!((&stopped["end"], &stopped["insisted"]), (&Value::Null, &json!(false)));
    let at_stake = stopped["exposure"].as_array().expect("what is at stake");
    assert_eq!(at_stake.len(), 1, "{stopped}");
    assert_eq!((&at_stake[0]["sim"], &at_stake[0]["currency"]), (&json!(SIM), &json!("USD")));
    assert_eq!(cents(at_stake[0]["share"].as_str().expect("text")), lost);
    assert_eq!(cents(&own(&siege, "USD")), kept, "nothing passes over before the other has recorded");
    perdu.ok(&grant("TARDIF", "5", "USD"));
    perdu.ok(&["credit", "pay", "ANCIEN", "--amount", "4"]);

    caisse.start_at(ANY_HTTP, &listen[1], &BRISK);
    // As soon as the other recorded, the keeper closes by itself, and has what the lost one held.
    eventually("what was lost", || same(total(&siege, "USD"), 8_000).and(holds_nothing(&siege, "perdu")));
    let both = || cents(&own(&siege, "USD")) + cents(&own(&caisse, "USD"));
    eventually("all of it with the two that are left", || same(both(), 8_000));
    let again = siege.run(&["device", "close", "perdu"]);
    assert_eq!((again.code, again.error()["code"].as_str()), (Some(1), Some("nothing_to_close")), "{again:?}");

    // It turns up where nobody has anything to give: what it has of its own is nothing.
    let spent = own(&caisse, "USD");
    assert!(siege.stop().success());
    caisse.ok(&grant("TOUT", &spent, "USD"));
    assert_eq!(own(&caisse, "USD"), "0.00");
    assert_eq!(
        perdu.ok(&["sim", "balance", SIM])["balances"]["USD"]["available"],
        "75.00",
        "it has not heard of it yet"
    );
    perdu.start(&[&BRISK[..], &["--peer", &caisse.address()]].concat());
    eventually("a share of nothing", || same(own(&perdu, "USD"), "0.00".to_owned()));
    let refused = perdu.run(&grant("ENCORE", "1", "USD"));
    assert_eq!((refused.code, refused.error()["code"].as_str()), (Some(1), Some("insufficient_share")), "{refused:?}");
    assert_eq!(refused.error()["share"], "0.00");

    siege.start_at(ANY_HTTP, &listen[0], &BRISK);
    let digest = || one_digest(&[&siege, &caisse, &perdu]);
    digest();
    let left = 8_000 - cents(&spent);
    for shop in [&siege, &caisse, &perdu] {
        // The late grant took nothing; the payment came in.
        eventually("the same sums everywhere", || same(cents(available(shop, "USD").as_str().expect("text")), left));
        eventually("the same shares everywhere", || same(total(shop, "USD"), left));
        eventually("the payment", || same(shop.credit("ANCIEN")?["paid"].as_str(), Some("4.00")));
    }
    digest();
    for shop in [&siege, &caisse, &perdu] {
        shop.assert_sound();
    }
    // It is a device like any other again, and is given its part.
    eventually("a part for who came back", || match own(&perdu, "USD").as_str() {
        "0.00" if left > 100 => Err("nothing yet".to_owned()),
        _ => Ok(()),
    });
}

/// Closed at once because a person insists: it is said, and what may follow from it.
#[test]
fn a_closing_that_is_insisted_on_says_what_may_follow() {
    let mut siege = founded("90", "0");
    let caisse = joined("caisse", &siege);
    let mut perdu = joined_beside("perdu", &siege, &[&caisse]);
    eventually("a share", || if own(&perdu, "USD") == "0.00" { Err("none".to_owned()) } else { Ok(()) });
    perdu.kill();
    drop(caisse);
    let directory = siege.directory().to_str().expect("a path in Unicode").to_owned();
    let spoken = |words: &[&str]| crate::process::ucash(&[&["--data", &directory], words].concat()).stdout;
    let french = spoken(&["device", "close", "perdu"]);
    for said in ["« perdu » est arrêté, pas encore fermé", "caisse", SIM, "USD", "--insist", "« siege »"] {
        assert!(french.contains(said), "{said}: {french}");
    }
    let english = spoken(&["--lang", "en", "device", "close", "perdu"]);
    assert!(english.contains("\"perdu\" is stopped, not closed yet"), "{english}");
    let closed = siege.ok(&["device", "close", "perdu", "--insist"]);
    assert_eq!((&closed["state"], &closed["insisted"]), (&json!("closed"), &json!(true)), "{closed}");
    assert_eq!(closed["waiting_for"], json!([]));
    assert!(closed["end"].as_u64().is_some_and(|end| end > 0), "{closed}");
    assert_eq!(holds_nothing(&siege, "perdu"), Ok(()));
    assert!(siege.stop().success());
    siege.assert_sound();
}

/// A SIM changes shops whole, from a device that holds all of it.
#[test]
fn a_sim_changes_shops_with_all_it_holds() {
    let siege = founded("90", "0");
    siege.ok(&["shop", "add", "Beni", "--shop-id", "2"]);
    let mut caisse = joined("caisse", &siege);
    shares_are("USD", &[(&siege, "45.00"), (&caisse, "45.00")]);
    assert!(caisse.stop().success());
    let halved = siege.run(&["sim", "move", SIM, "--to-shop", "2"]);
    assert_eq!((halved.code, halved.error()["code"].as_str()), (Some(1), Some("sim_not_in_hand")), "{halved:?}");
    caisse.ok(&["sim", "share", SIM, "--give", "45", "--currency", "USD", "--to", "siege"]);
    caisse.start(&[&BRISK[..], &["--peer", &siege.address()]].concat());
    // It is given a part again after a while: the move is asked for until it falls in between.
    let moved = eventually("the move", || {
        let ran = siege.run(&["sim", "move", SIM, "--to-shop", "2"]);
        if ran.code == Some(0) {
            return Ok(ran.answer());
        }
        caisse.run(&["sim", "share", SIM, "--give", "45", "--currency", "USD", "--to", "siege"]);
        Err(ran.stderr)
    });
    assert_eq!((&moved["shop_id"], &moved["balances"]["USD"]["available"]), (&json!(2), &json!("90.00")), "{moved}");
    one_digest(&[&siege, &caisse]);
    assert_eq!(total(&caisse, "USD"), 9_000);
    for shop in [&siege, &caisse] {
        shop.assert_sound();
    }
}

/// What people read: how much there is, how much of it is this device's, and where to look for the rest.
#[test]
fn a_balance_says_whose_it_is() {
    let siege = founded("100", "0");
    let caisse = joined("caisse", &siege);
    let spoken = |words: &[&str]| {
        let directory = caisse.directory().to_str().expect("a path in Unicode").to_owned();
        crate::process::ucash(&[&["--data", &directory], words].concat()).stdout
    };
    shares_are("USD", &[(&siege, "50.00"), (&caisse, "50.00")]);
    let balance = spoken(&["sim", "balance", SIM]);
    let line = "La SIM contient 100.00 USD ; cet appareil peut en dépenser 50.00 USD.";
    assert!(balance.contains(line) && balance.contains(&format!("ucash sim share {SIM}")), "{balance}");
    assert!(!balance.contains("CDF ;"), "of nothing nothing is said: {balance}");
    let shares = spoken(&["--lang", "en", "sim", "share", SIM]);
    for said in ["siege", "in contact", "caisse", "this device", "50.00"] {
        assert!(shares.contains(said), "{said}: {shares}");
    }
    let rows: Vec<&str> = shares.lines().filter(|line| line.contains("50.00")).collect();
    assert!(rows.len() == 2 && rows[0].starts_with("caisse"), "this device stands first: {shares}");
}

/// Whether a device holds nothing any more, as that one knows it.
fn holds_nothing(shop: &Shop, device: &str) -> Result<(), String> {
    let view = view(shop);
    let mut holders = view["shares"]["USD"].as_array().expect("a list").iter();
    match holders.find(|holder| holder["device"] == device && holder["share"] != "0.00") {
        None => Ok(()),
        Some(holder) => Err(holder.to_string()),
    }
}
