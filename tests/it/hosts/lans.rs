//! Two shops behind routers, a relay between them, and what stays within a shop's own network.

use super::{
    Company, Lan, RELAY, among_hosts, grant, has, is_connected, is_direct, is_paid, joined_at, office_at,
    on_the_internet, relay_at, start,
};
use crate::process::{eventually, one_digest};

#[test]
fn two_shops_behind_routers_converge_through_a_relay_and_meet() {
    among_hosts("hosts::lans::two_shops_behind_routers_converge_through_a_relay_and_meet", || {
        let company = Company::behind_two_routers(10);
        let Company { office, till, mut relay, counter: _counter, _ground } = company;
        grant(&office, "A-1");
        has(&till, "A-1");
        till.ok(&["credit", "pay", "A-1", "--amount", "4"]);
        is_paid(&office, "A-1", "4.00");
        // Neither can be dialled, and both have the same address in a network of their own: a circuit, and then a hole.
        eventually("a session of the two", || is_connected(&office, "guichet"));
        // At both ends at once: one end may hold a hole for open that the other has given up, and find that out.
        eventually("a direct one", || is_direct(&office, &till).and_then(|()| is_direct(&till, &office)));
        relay.kill();
        grant(&office, "A-2");
        has(&till, "A-2");
        till.ok(&["credit", "pay", "A-2", "--amount", "10"]);
        is_paid(&office, "A-2", "10.00");
        start(&mut relay, "relay", &["--no-mdns", "--public", "/ip4/203.0.113.1/tcp/7071"]);
        one_digest(&[&office, &till, &relay]);
        [&office, &till, &relay].into_iter().for_each(|shop| shop.assert_sound());
    });
}

#[test]
fn a_device_that_anyone_can_dial_finds_that_out_and_needs_no_circuit() {
    among_hosts("hosts::lans::a_device_that_anyone_can_dial_finds_that_out_and_needs_no_circuit", || {
        let (internet, _cable) = on_the_internet(RELAY);
        let goma = Lan::new("203.0.113.10");
        let ((desk, _desk_cable), (open, _open_cable)) = (goma.plug(10), on_the_internet("203.0.113.30"));
        let mut office = office_at(&desk, &["--no-mdns"]);
        let (_relay, address) = relay_at(&internet, &office, &desk);
        let mut till = joined_at("guichet", &office, (&desk, &open), &[]);
        office.stop();
        for shop in [&mut office, &mut till] {
            start(shop, "start", &["--no-mdns", "--peer", &address]);
        }
        let said = |shop: &crate::process::Shop, words: &str| match shop.log().contains(words) {
            true => Ok(()),
            false => Err(format!("not {words:?}")),
        };
        eventually("the open one is called back", || said(&till, "reached from outside"));
        eventually("the other has a place", || said(&office, "reached through a relay"));
        eventually("a session of the two", || is_connected(&office, "guichet"));
        assert!(said(&office, "reached from outside").is_err(), "its router lets nobody in");
    });
}

#[test]
fn what_is_said_by_mdns_stays_within_a_network() {
    among_hosts("hosts::lans::what_is_said_by_mdns_stays_within_a_network", || {
        let (goma, bukavu) = (Lan::new("203.0.113.10"), Lan::new("203.0.113.20"));
        let ((desk, _one), (counter, _two), (away, _three)) = (goma.plug(10), goma.plug(11), bukavu.plug(12));
        let mut office = office_at(&desk, &["--no-mdns"]);
        let mut near = joined_at("guichet", &office, (&desk, &counter), &[]);
        let mut far = joined_at("bukavu", &office, (&desk, &away), &[]);
        office.stop();
        // No internet, no peer named.
        goma.uplink.pull();
        for (shop, words) in [(&mut office, &[][..]), (&mut near, &[]), (&mut far, &[])] {
            start(shop, "start", words);
        }
        grant(&office, "A-1");
        has(&near, "A-1");
        near.ok(&["credit", "pay", "A-1", "--amount", "10"]);
        is_paid(&office, "A-1", "10.00");
        assert!(far.credit("A-1").is_err());
        for shop in [&office, &near] {
            assert!(is_connected(shop, "bukavu").is_err());
        }
    });
}
