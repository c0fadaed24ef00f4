//! What happens to a link: pulled, deaf in one direction, slow, and leading to another address; and it heals.

use std::time::Instant;

use super::{Company, among_hosts, grant, has, is_paid};
use crate::process::{eventually, one_digest};

#[test]
fn a_link_that_is_pulled_deaf_slow_or_renumbered_heals() {
    among_hosts("hosts::links::a_link_that_is_pulled_deaf_slow_or_renumbered_heals", || {
        let Company { office, till, relay, counter: (counter, cable), _ground } = Company::behind_two_routers(20);
        let shops = [&office, &till, &relay];
        let both_work = |part: &str| {
            grant(&office, &format!("{part}-2"));
            till.ok(&["credit", "pay", &format!("{part}-1"), "--amount", "4"]);
        };
        let healed = |part: &str| {
            let began = Instant::now();
            has(&till, &format!("{part}-2"));
            is_paid(&office, &format!("{part}-1"), "4.00");
            one_digest(&shops);
            println!("{part}: in step {} ms after it healed", began.elapsed().as_millis());
        };
        let begin = |part: &str| {
            grant(&office, &format!("{part}-1"));
            has(&till, &format!("{part}-1"));
        };

        begin("PULLED");
        cable.pull();
        both_work("PULLED");
        assert!(till.credit("PULLED-2").is_err(), "no word comes through");
        cable.put_back();
        healed("PULLED");

        begin("DEAF");
        counter.sh("nft add table ip deaf; nft 'add chain ip deaf ears { type filter hook input priority 0; }'; \
            nft add rule ip deaf ears iifname eth0 drop");
        both_work("DEAF");
        assert!(till.credit("DEAF-2").is_err(), "it speaks and hears nothing");
        counter.sh("nft delete table ip deaf");
        healed("DEAF");

        begin("SLOW");
        cable.slow_down("64kbit");
        counter.sh("tc qdisc add dev eth0 root tbf rate 64kbit burst 4kb latency 2s");
        (3..30).for_each(|number| grant(&office, &format!("SLOW-{number}")));
        both_work("SLOW");
        healed("SLOW");
        has(&till, "SLOW-29");

        begin("MOVED");
        counter.sh("ip addr add 192.168.1.77/24 dev eth0; ip addr del 192.168.1.20/24 dev eth0; \
            ip addr show dev eth0 | grep -q 192.168.1.77 || ip addr add 192.168.1.77/24 dev eth0; \
            ip route replace default via 192.168.1.1");
        both_work("MOVED");
        // Not when it has heard nothing for too long: what left from the old address can carry nothing any more.
        eventually("the till leaves its connections", || match till.log().contains("our address is gone") {
            true => Ok(()),
            false => Err("it waits".to_owned()),
        });
        healed("MOVED");
        shops.into_iter().for_each(|shop| shop.assert_sound());
    });
}
