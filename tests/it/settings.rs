//! What a node is told to do: which layer wins, where each value is from, and what is not understood is named.

use serde_json::{Value, json};

use crate::process::Shop;

fn printed(shop: &Shop, words: &[&str], environment: &[(&str, &str)]) -> Value {
    let ran = shop.run_in(&[&["start", "--print-config"], words].concat(), environment);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.answer()
}

fn write(shop: &Shop, text: &str) {
    std::fs::create_dir_all(shop.directory()).expect("made");
    std::fs::write(shop.directory().join("ucash.toml"), text).expect("written");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_what_is_usual() {
    let shop = Shop::empty("réglages");
    let of = |found: &Value, key: &str| found[key].clone();
    let usual = printed(&shop, &[], &[]);
    assert_eq!(of(&usual, "http"), json!({ "value": "127.0.0.1:7070", "origin": "default", "name": null }));
    assert_eq!(of(&usual, "listen"), json!({ "value": [], "origin": "default", "name": null }));
    assert!(!shop.directory().exists(), "nothing is made by looking");

    write(&shop, "http = \"127.0.0.1:1\"\nsync_every = \"1s\"\nmdns = false\npeer = [\"/ip4/10.0.0.1/tcp/1\"]\n");
    let file = printed(&shop, &[], &[]);
    assert_eq!(of(&file, "http"), json!({ "value": "127.0.0.1:1", "origin": "file", "name": "ucash.toml" }));
    assert_eq!(of(&file, "mdns")["value"], "false");
    assert_eq!(of(&file, "peer")["value"], json!(["/ip4/10.0.0.1/tcp/1"]));
    assert_eq!(of(&file, "return_after")["origin"], "default");

    let environment = [
        ("UCASH_HTTP", "127.0.0.1:2"),
        ("UCASH_PEER", "/ip4/10.0.0.2/tcp/2, /ip4/10.0.0.3/tcp/3"),
        ("UCASH_MDNS", "true"),
    ];
    let set = printed(&shop, &[], &environment);
    assert_eq!(of(&set, "http"), json!({ "value": "127.0.0.1:2", "origin": "environment", "name": "UCASH_HTTP" }));
    assert_eq!(of(&set, "peer")["value"], json!(["/ip4/10.0.0.2/tcp/2", "/ip4/10.0.0.3/tcp/3"]));
    assert_eq!(of(&set, "sync_every")["origin"], "file");

    let flags = ["--http", "127.0.0.1:3", "--no-mdns", "--sync-every", "3s", "--log-format", "json"];
    let given = printed(&shop, &flags, &environment);
    assert_eq!(of(&given, "http"), json!({ "value": "127.0.0.1:3", "origin": "flag", "name": "--http" }));
    assert_eq!(of(&given, "mdns"), json!({ "value": "false", "origin": "flag", "name": "--no-mdns" }));
    assert_eq!(of(&given, "sync_every")["value"], "3s");
    assert_eq!(of(&given, "log_format")["value"], "json");
    assert_eq!(of(&given, "peer")["origin"], "environment");
}

/// The file, the environment, and a fact that the refusal states with its value.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

#[test]
fn a_setting_that_is_none_is_named_and_nothing_is_started() {
    let table: [Case<'_>; 14] = [
        ("mdns = true\nhttpp = \"x\"\n", &[], "line", "2"),
        ("mdns = \"non\"\n", &[], "line", "1"),
        ("http = ", &[], "line", "1"),
        ("http = \"7070\"\n", &[], "key", "http"),
        ("", &[("UCASH_SYNC_EVERY", "bientôt")], "key", "sync_every"),
        ("", &[("UCASH_LISTEN", "tcp:7071")], "key", "listen"),
        ("log = \"=,=\"\n", &[], "key", "log"),
        ("origins = [\"*\"]\n", &[], "key", "origins"),
        ("", &[("UCASH_ORIGINS", "https://a.example, https://b.example/page")], "key", "origins"),
        ("origins = [\"null\"]\n", &[], "key", "origins"),
        ("hosts = [\"relais.example:443\"]\n", &[], "key", "hosts"),
        ("plain_http = \"oui\"\n", &[], "line", "1"),
        ("tls_cert = \"cert.pem\"\n", &[], "key", "tls_key"),
        ("", &[("UCASH_TLS_KEY", "key.pem")], "key", "tls_cert"),
    ];
    for (file, environment, fact, value) in table {
        let shop = Shop::empty("réglages");
        write(&shop, file);
        let ran = shop.run_in(&["start"], environment);
        let error = ran.error();
        assert_eq!((ran.code, &error["code"]), (Some(1), &json!("bad_settings")), "{file:?}: {ran:?}");
        assert_eq!(error[fact].to_string().trim_matches('"'), value, "{file:?}: {error}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("Rien n'a été démarré")), "{error}");
        assert!(!shop.directory().join("identity").exists(), "{file:?}");
    }
    // On the command line it is a misuse.
    let shop = Shop::empty("réglages");
    assert_eq!(shop.run(&["start", "--sync-every", "bientôt"]).code, Some(2));
}

#[test]
fn names_and_pages_are_told_in_every_layer() {
    let shop = Shop::empty("réglages");
    write(&shop, "origins = [\"https://a.example\"]\nhosts = [\"a.example\"]\nplain_http = true\n");
    let file = printed(&shop, &[], &[]);
    assert_eq!(file["origins"], json!({ "value": ["https://a.example"], "origin": "file", "name": "ucash.toml" }));
    assert_eq!(file["plain_http"]["value"], "true");
    let set = printed(&shop, &[], &[("UCASH_ORIGINS", "https://b.example,http://localhost:3000")]);
    assert_eq!(set["origins"]["value"], json!(["https://b.example", "http://localhost:3000"]));
    let flags = ["--origin", "https://c.example", "--origin", "https://d.example", "--host", "c.example"];
    let given = printed(&shop, &flags, &[("UCASH_HOSTS", "b.example")]);
    assert_eq!(given["origins"]["name"], "--origin");
    assert_eq!(given["origins"]["value"], json!(["https://c.example", "https://d.example"]));
    assert_eq!(given["hosts"], json!({ "value": ["c.example"], "origin": "flag", "name": "--host" }));
}

#[test]
fn plain_http_off_loopback_is_asked_for_by_name() {
    for http in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7070", "[::ffff:192.0.2.1]:7070"] {
        let shop = Shop::empty("réglages");
        let ran = shop.run(&["start", "--http", http]);
        assert_eq!((ran.code, &ran.error()["code"]), (Some(1), &json!("plain_http")), "{http}: {ran:?}");
        let said = ran.error()["message"].as_str().expect("a sentence").to_owned();
        assert!(["--tls-cert", "--plain-http"].iter().all(|flag| said.contains(flag)), "{said}");
        assert!(!shop.directory().exists(), "nothing is made");
    }
    let mut shop = Shop::empty("réglages");
    shop.start_at("0.0.0.0:0", crate::process::ANY_LISTEN, &["--plain-http"]);
    assert!(shop.http().starts_with("0.0.0.0:"), "{}", shop.http());
    assert_eq!(shop.status()["shop_id"], 1);
    // Addresses of this machine alone need no leave.
    let mut near = Shop::empty("réglages");
    near.start_at("[::ffff:127.0.0.1]:0", crate::process::ANY_LISTEN, &[]);
}
