//! Hosts whose clocks are years apart, cut off from each other, working on the same credits.

use serde_json::json;

use super::{Lan, among_hosts, grant, has, joined_at, office_at, start};
use crate::process::{eventually, one_digest, same};

#[test]
fn hosts_whose_clocks_are_years_apart_converge_and_lose_nothing() {
    among_hosts("hosts::clocks::hosts_whose_clocks_are_years_apart_converge_and_lose_nothing", || {
        let goma = Lan::new("203.0.113.10");
        let ((desk, _one), (counter, cable), (pocket, other_cable)) = (goma.plug(10), goma.plug(11), goma.plug(12));
        let office = office_at(&desk, &["--no-mdns"]);
        let library = match crate::conflicts_cli::clock_shim(&office) {
            Ok(library) => library,
            Err(reason) => return println!("skipped: no shim can be compiled here ({reason})"),
        };
        let mut till = joined_at("guichet", &office, (&desk, &counter), &[]);
        let mut phone = joined_at("telephone", &office, (&desk, &pocket), &[]);
        let address = "/ip4/192.168.1.10/tcp/7071";
        // Three years ahead, and two hours behind.
        for (shop, shift) in [(&mut till, "94608000"), (&mut phone, "-7200")] {
            shop.set("LD_PRELOAD", &library);
            shop.set("UCASH_CLOCK_SHIFT", shift);
            start(shop, "start", &["--no-mdns", "--peer", address]);
        }
        let shops = [&office, &till, &phone];
        for reference in ["A", "B", "C"] {
            grant(&office, reference);
            shops.into_iter().for_each(|shop| has(shop, reference));
        }
        cable.pull();
        other_cable.pull();
        till.ok(&["credit", "pay", "A", "--amount", "4"]);
        phone.ok(&["credit", "pay", "A", "--amount", "5"]);
        till.ok(&["credit", "cancel", "B", "--why", "erreur"]);
        phone.ok(&["credit", "pay", "B", "--amount", "10"]);
        office.ok(&["credit", "pay", "C", "--amount", "10"]);
        till.ok(&["credit", "cancel", "C", "--why", "erreur"]);
        cable.put_back();
        other_cable.put_back();
        for shop in shops {
            eventually("both payments", || same(shop.credit("A")?["paid"].clone(), json!("9.00")));
            eventually("the payment", || same(shop.credit("B")?["paid"].clone(), json!("10.00")));
            eventually("the payment", || same(shop.credit("C")?["paid"].clone(), json!("10.00")));
        }
        one_digest(&shops);
        let status = |reference: &str| office.credit(reference).expect("known")["status"].clone();
        for shop in shops {
            for reference in ["A", "B", "C"] {
                assert_eq!(shop.credit(reference).expect("known")["status"], status(reference), "{reference}");
            }
            shop.assert_sound();
        }
        let conflicts = office.ok(&["conflicts", "list"]);
        let words = conflicts.to_string();
        assert!(words.contains("\"B\"") && words.contains("\"C\""), "what had a loser is told: {words}");
    });
}
