//! Conflicts at the command line, with real processes: seen where they came up, told in both languages, dealt with.

use serde_json::{Value, json};

use crate::process::{Shop, eventually, one_digest, same, ucash};

const SIM: &str = "+243970000001";

/// What the program tells people.
#[track_caller]
fn said(shop: &Shop, language: &str, words: &[&str]) -> String {
    let data = shop.directory().to_str().expect("Unicode");
    let ran = ucash(&[&["--data", data, "--lang", language][..], words].concat());
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    ran.stdout
}

/// Two devices of one shop that each took 60 of the 100 USD that a credit is about, and met again; both stopped.
fn overpaid() -> (Shop, Shop) {
    let mut office = Shop::found("siege", "Conflits", 1);
    office.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "500.00"]);
    let grant = ["credit", "grant", "--reference", "C-1", "--amount", "100", "--currency", "USD", "--to", "Amani"];
    office.ok(&[&grant[..], &["--sim", SIM]].concat());
    office.start(&[]);
    let mut phone = Shop::join("telephone", &office, 1);
    let together = |office: &Shop, phone: &Shop| {
        eventually("both hold the same", || same(office.digest(), phone.digest()));
        one_digest(&[office, phone]);
    };
    phone.start(&[]);
    eventually("the credit comes", || phone.credit("C-1"));
    together(&office, &phone);
    assert!(phone.stop().success() && office.stop().success());
    for shop in [&office, &phone] {
        shop.ok(&["credit", "pay", "C-1", "--amount", "60", "--agent", "Marie"]);
    }
    office.start(&[]);
    phone.start(&["--peer", &office.address()]);
    eventually("they meet", || same(office.credit("C-1")?["overpaid"].clone(), json!("20.00")));
    together(&office, &phone);
    assert!(phone.stop().success() && office.stop().success());
    (office, phone)
}

#[test]
fn a_conflict_is_seen_told_and_dealt_with() {
    let (office, phone) = overpaid();
    let page = office.ok(&["conflicts", "list"]);
    let [one] = page["items"].as_array().expect("items").as_slice() else { panic!("{page}") };
    assert_eq!((&one["kind"], &one["credit"]["reference"]), (&json!("overpaid"), &json!("C-1")));
    assert_eq!(
        one["todo"],
        "Rendez 20.00 USD à Amani, et notez-le ici. Si un paiement a été noté deux fois, annulez-le plutôt."
    );
    assert_eq!(phone.ok(&["conflicts", "list"]), page, "the same everywhere");
    let id = one["id"].as_str().expect("an id").to_owned();
    assert_eq!(office.ok(&["conflicts", "show", &id]), *one);

    // For people: at the status, at the credit, in the list, by itself.
    assert!(said(&office, "fr", &["status"]).contains("1 (pour les voir : ucash conflicts list)"));
    assert!(said(&office, "en", &["status"]).contains("1 (to see them: ucash conflicts list)"));
    for (language, words) in [
        ("fr", ["a reçu plus que son montant", "Rendez 20.00 USD à Amani"]),
        ("en", ["received more than its amount", "Give 20.00 USD back to Amani"]),
    ] {
        for command in [&["credit", "show", "C-1"][..], &["conflicts", "list"], &["conflicts", "show", &id]] {
            let text = said(&office, language, command);
            let whole = words.iter().all(|word| text.contains(word)) && text.contains(&id);
            assert!(whole, "{language} {command:?}:\n{text}");
        }
        let text = said(&office, language, &["conflicts", "show", &id]);
        for told in ["1. Marie (siege), 20", "2. Marie (telephone), 20", "--decision give_back", "60.00 USD"] {
            assert!(text.contains(told), "{told}:\n{text}");
        }
    }

    // What is refused is told, and changes nothing.
    let digest = office.digest();
    for (words, code) in [
        (["conflicts", "resolve", &id, "--decision", "cancel", "--why", "x"], "decision_not_open"),
        (["conflicts", "resolve", &id, "--decision", "renumber=C-2", "--why", "x"], "decision_not_open"),
        (["conflicts", "resolve", &id, "--decision", "take=1", "--why", "x"], "decision_not_open"),
        (["conflicts", "resolve", &id, "--decision", "take=first", "--why", "x"], "invalid_field"),
        (["conflicts", "resolve", &id, "--decision", "give_back=5", "--why", "x"], "unknown_field"),
        (["conflicts", "resolve", &id, "--decision", "forget", "--why", "x"], "invalid_field"),
        (["conflicts", "resolve", "cf_x", "--decision", "handled", "--why", "x"], "unknown_conflict"),
    ] {
        let ran = office.run(&words);
        assert_eq!((ran.code, &ran.error()["code"]), (Some(1), &json!(code)), "{words:?}: {ran:?}");
    }
    assert_eq!(office.run(&["conflicts", "resolve", &id]).code, Some(2), "why is not left out");
    assert_eq!(office.run(&["conflicts", "list", "--all", "--handled"]).code, Some(2));
    assert_eq!(office.digest(), digest);

    let why = "20 USD rendus au comptoir";
    let words = ["conflicts", "resolve", &id, "--decision", "give_back", "--why", why, "--agent", "Espérance"];
    let after = office.ok(&words);
    assert_eq!(after["handled"]["agent"], "Espérance");
    assert_eq!((&after["handled"]["why"], &after["handled"]["decision"]), (&json!(why), &json!("give_back")));
    assert_eq!(office.ok(&["credit", "show", "C-1"])["overpaid"], "0.00");
    assert!(said(&office, "en", &["conflicts", "show", &id]).contains("Espérance (siege), 20"));
    let lists: Vec<Value> =
        [&[][..], &["--handled"], &["--all"], &["--all", "--kind", "overpaid"], &["--handled", "--kind", "overdrawn"]]
            .into_iter()
            .map(|filter| office.ok(&[&["conflicts", "list"][..], filter].concat())["items"].clone())
            .collect();
    let none = json!([]);
    let it = json!([after]);
    assert_eq!(lists, [none.clone(), it.clone(), it.clone(), it, none]);
    assert!(said(&office, "fr", &["conflicts", "list"]).contains("Aucun conflit ne correspond."));
    let open = said(&office, "fr", &["status"]);
    assert!(open.lines().any(|line| line.starts_with("Conflits ouverts") && line.ends_with(" 0")), "{open}");
    assert!(!said(&office, "fr", &["credit", "show", "C-1"]).contains(&id), "what is dealt with is not shown there");

    let exported = office.run(&["export", "--format", "csv", "--what", "conflicts"]);
    assert_eq!((exported.code, exported.stdout.lines().count()), (Some(0), 2), "{exported:?}");
    assert!(exported.stdout.contains(&id) && exported.stdout.contains(why), "{exported:?}");
}

/// A library that shifts the clock of the program it is loaded into.
pub fn clock_shim(shop: &Shop) -> Result<String, String> {
    let library = shop.beside("clock.so").to_str().expect("Unicode").to_owned();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shims/clock.c");
    crate::disks::tool(&["cc", "-shared", "-fPIC", "-O1", "-o", &library, source]).map(|_| library)
}

#[test]
fn a_phone_that_woke_up_in_2017_works_and_its_times_are_mended_when_it_meets_the_office() {
    let mut office = Shop::found("siege", "Horloges", 1);
    let library = match clock_shim(&office) {
        Ok(library) => library,
        Err(reason) => return println!("skipped: no shim can be compiled here ({reason})"),
    };
    office.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "500.00"]);
    let grant = ["credit", "grant", "--reference", "C-1", "--amount", "100", "--currency", "USD", "--to", "Amani"];
    office.ok(&[&grant[..], &["--sim", SIM]].concat());
    office.start(&[]);
    let mut phone = Shop::join("telephone", &office, 1);
    phone.start(&[]);
    eventually("the credit comes", || phone.credit("C-1"));
    assert!(phone.stop().success() && office.stop().success());
    // 9 years of 365 days, in seconds.
    let in_2017 = [("LD_PRELOAD", library.as_str()), ("UCASH_CLOCK_SHIFT", "-283824000")];
    let paid = phone.run_in(&["credit", "pay", "C-1", "--amount", "60", "--json"], &in_2017);
    assert_eq!(paid.code, Some(0), "{paid:?}");
    let year = |at: &Value| at.as_str().expect("a time")[..4].to_owned();
    let now = year(&office.ok(&["credit", "show", "C-1"])["granted_at"]);
    assert_ne!(year(&phone.ok(&["credit", "show", "C-1"])["payments"][0]["at"]), now);
    office.ok(&["credit", "pay", "C-1", "--amount", "10"]);

    office.start(&[]);
    let environment = in_2017.map(|(name, value)| (name, value.to_owned()));
    phone.start_in(&["--peer", &office.address()], &environment);
    eventually("they meet", || same(office.credit("C-1")?["paid"].clone(), json!("70.00")));
    eventually("both hold the same", || same(office.digest(), phone.digest()));
    let credit = office.ok(&["credit", "show", "C-1"]);
    for payment in credit["payments"].as_array().expect("payments") {
        assert_eq!(year(&payment["at"]), now, "{credit}");
    }
    // Neither lists anything: nobody's stamp is left unexplained.
    for shop in [&office, &phone] {
        assert_eq!(shop.ok(&["conflicts", "list"])["items"], json!([]));
    }
    assert!(phone.stop().success() && office.stop().success());
}
