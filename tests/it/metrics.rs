//! What `/metrics` of a real node says: in the format that Prometheus reads, by its conventions, and growing with
//! what is done.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::process::{Shop, eventually};

const SIM: &str = "+243970000001";

/// A family of the page: its type, its help, and its samples by the whole of what stands before the value.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    unit: Option<String>,
    samples: BTreeMap<String, f64>,
}

/// Reads OpenMetrics text strictly; whatever is not by the rules fails.
#[track_caller]
fn read(page: &str) -> BTreeMap<String, Family> {
    assert!(page.ends_with("# EOF\n"), "the end is missing: the text may be cut");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next(), words.next(), words.next());
            let (what, name, rest) = (what.expect(line), name.expect(line), rest.expect(line));
            if name != current {
                assert!(!families.contains_key(name), "{name} stands in two places");
                name.clone_into(&mut current);
            }
            let family = families.entry(name.to_owned()).or_default();
            match what {
                "HELP" => rest.clone_into(&mut family.help),
                "TYPE" => rest.clone_into(&mut family.kind),
                "UNIT" => family.unit = Some(rest.to_owned()),
                other => panic!("{other}: {line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect(line);
        let name = sample.split('{').next().expect(line);
        assert!(name.starts_with(&current), "{line} does not belong to {current}");
        let family = families.get_mut(&current).expect(line);
        let known = family.samples.insert(sample.to_owned(), value.parse().expect(line));
        assert!(known.is_none(), "{sample} stands there twice");
    }
    families
}

fn page(shop: &Shop) -> String {
    let answer = shop.face().request("GET", "/metrics", &[], None).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text
}

/// The value of one sample.
#[track_caller]
fn value(families: &BTreeMap<String, Family>, sample: &str) -> f64 {
    let all = families.values().flat_map(|family| &family.samples);
    let found = all.filter(|(name, _)| *name == sample).map(|(_, value)| *value).next();
    found.unwrap_or_else(|| panic!("no {sample} in {:#?}", families.keys()))
}

fn grant(shop: &Shop, reference: &str) {
    let body = json!({
        "reference": reference, "amount": "7.25", "currency": "USD", "sim": SIM,
        "beneficiary": { "name": "Aimée Kabila" },
    });
    assert_eq!(shop.face().post("/api/v1/credits", reference, &body).expect("an answer").status, 201);
}

#[test]
fn the_page_keeps_the_conventions_and_its_numbers_grow_with_what_is_done() {
    let mut one = Shop::found("siege", "Compte", 1);
    one.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100.00"]);
    one.start(&[]);
    let before = read(&page(&one));
    grant(&one, "METR-1");
    let after = read(&page(&one));

    for (name, family) in &after {
        assert!(name.starts_with("ucash_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(family.help.len() > 10 && family.help.ends_with('.'), "{name}: {:?}", family.help);
        assert!(["counter", "gauge", "histogram", "info"].contains(&family.kind.as_str()), "{name}: {}", family.kind);
        assert!(family.unit.as_ref().is_none_or(|unit| name.ends_with(unit)), "{name}: {:?}", family.unit);
        let tells_time = ["duration", "latency", "uptime", "timestamp"].iter().any(|word| name.contains(word));
        assert!(!tells_time || name.ends_with("_seconds"), "{name}");
        assert!(!name.ends_with("_total") && !name.contains("_ms"), "{name}");
        for sample in family.samples.keys().map(|sample| sample.split('{').next().unwrap_or_default()) {
            let rest = &sample[name.len()..];
            let allowed: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            assert!(allowed.contains(&rest), "{sample} of the {} {name}", family.kind);
        }
        // What only grows must not shrink.
        if family.kind == "counter" {
            for (sample, then) in before.get(name).into_iter().flat_map(|family| &family.samples) {
                assert!(family.samples[sample] >= *then, "{sample} shrank");
            }
        }
    }

    let grew = |sample: &str| value(&after, sample) - value(&before, sample);
    assert!((grew("ucash_credits") - 1.0).abs() < f64::EPSILON);
    assert!(grew("ucash_entries") >= 1.0);
    assert!(grew("ucash_disk_sync_seconds_count") >= 1.0);
    assert!(grew("ucash_engine_step_seconds_count") >= 1.0);
    assert!(grew("ucash_engine_batch_inputs_count") >= 1.0);
    let posted = r#"ucash_http_requests_total{method="POST",route="/api/v1/credits",status="201"}"#;
    assert!((value(&after, posted) - 1.0).abs() < f64::EPSILON);
    assert!((value(&after, r#"ucash_http_request_duration_seconds_count{route="/api/v1/credits"}"#) - 1.0).abs() < 0.1);
    for (sample, expected) in [("ucash_disk_full", 0.0), ("ucash_disk_failed", 0.0), ("ucash_peers_connected", 0.0)] {
        assert!((value(&after, sample) - expected).abs() < f64::EPSILON, "{sample}");
    }
    assert!(value(&after, "ucash_store_bytes") > 10_000.0);
    assert!(value(&after, "ucash_uptime_seconds") > 0.0);
    if cfg!(target_os = "linux") {
        assert!(value(&after, "ucash_memory_resident_bytes") > 1e6);
    }
    let version = format!("ucash_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert!((value(&after, &version) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn replication_is_counted_on_both_sides_and_nothing_of_the_shop_is_told() {
    let mut one = Shop::found("siege", "Deux", 1);
    one.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "100.00"]);
    one.start(&[]);
    let mut two = Shop::join("guichet", &one, 1);
    two.start(&["--peer", &one.address()]);
    grant(&one, "METR-2");
    eventually("the credit to arrive", || two.credit("METR-2").map(drop));
    one.ok(&["sync"]);
    for shop in [&one, &two] {
        let families = eventually("the counts of a connection in step", || {
            let families = read(&page(shop));
            let (peers, steps) = (value(&families, "ucash_peers_connected"), value(&families, "ucash_peers_in_step"));
            if peers >= 1.0 && steps >= 1.0 { Ok(families) } else { Err(format!("{peers} peers, {steps} in step")) }
        });
        for sample in [
            r#"ucash_frames_total{direction="in"}"#,
            r#"ucash_frames_total{direction="out"}"#,
            r#"ucash_frame_bytes_total{direction="in"}"#,
            r#"ucash_frame_bytes_total{direction="out"}"#,
            "ucash_rounds_total",
            "ucash_logs",
            "ucash_last_sync_timestamp_seconds",
        ] {
            assert!(value(&families, sample) >= 1.0, "{sample}");
        }
    }
    let sent = value(&read(&page(&one)), r#"ucash_entries_transferred_total{direction="out"}"#);
    let received = value(&read(&page(&two)), r#"ucash_entries_transferred_total{direction="in"}"#);
    assert!(sent >= 1.0 && received >= 1.0, "{sent} sent, {received} received");

    let status = one.face().get("/api/v1/status");
    let text = page(&one);
    let secret = |name: &str| status[name].as_str().expect("a text").to_owned();
    let words = [SIM, "METR", "Kabila", "guichet", "Deux", "7.25", &secret("device_key"), &secret("network_id")];
    for word in words.map(str::to_owned).into_iter().collect::<BTreeSet<_>>() {
        assert!(!text.contains(&word), "{word} is told: {text}");
    }
}
