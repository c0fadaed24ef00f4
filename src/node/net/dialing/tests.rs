//! Whom a device dials, when, and whom not: tables and storms, with the time handed in.

use super::super::limits::{DIALS_PER_TICK, HANDSHAKE_MAX, TICK};
use super::*;
use crate::node::clock::instant;

fn device(number: u16) -> DeviceKey {
    let mut key = [0; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    DeviceKey(key)
}

fn address(port: u16) -> Vec<Multiaddr> {
    vec![format!("/ip4/192.168.1.7/tcp/{port}").parse().expect("a well-formed address")]
}

/// Nobody is connected, and more peers are wanted.
const ALONE: Sight<'static> =
    Sight { wants_more: true, circuits_wanted: 2, is_relay: &|_| false, own: &[], reach: &|_| Reach::Not };

/// The same with peers enough.
const SATED: Sight<'static> = Sight { wants_more: false, ..ALONE };

const OWN: u16 = 0xffff;

#[test]
fn backoff_doubles_to_a_minute_and_jitter_shortens_it() {
    let seconds: Vec<u64> = (0..9).map(|failures| backoff(failures, 0).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(backoff(0, u32::MAX), Duration::from_millis(500));
    assert_eq!(backoff(u32::MAX, u32::MAX), Duration::from_secs(30));
}

#[test]
fn a_failed_target_waits_and_a_lost_live_one_hardly() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    dialing.add(Origin::Configured, None, &address(1), now);
    for (failure, wait) in [1, 2, 4, 8].into_iter().enumerate() {
        let at = now + Duration::from_secs(100 * failure as u64);
        let dial = dialing.due(at, 9, &ALONE).pop().expect("due");
        let connection = ConnectionId::new_unchecked(failure);
        dialing.started(&dial, connection);
        assert_eq!(dialing.due(at, 9, &ALONE), [], "one dial at a time");
        assert!(dialing.failed(connection, at, 0).is_some());
        assert_eq!(dialing.due(at + Duration::from_millis(wait * 1000 - 1), 9, &ALONE), []);
        assert_eq!(dialing.due(at + Duration::from_secs(wait), 9, &ALONE).len(), 1);
    }
    let connection = ConnectionId::new_unchecked(99);
    let dial = dialing.due(now + Duration::from_secs(1_000), 9, &ALONE).pop().expect("due");
    dialing.started(&dial, connection);
    dialing.connected(connection, device(1), now);
    assert_eq!(
        dialing.due(
            now,
            9,
            &Sight { reach: &|peer| if *peer == device(1) { Reach::Direct } else { Reach::Not }, ..ALONE }
        ),
        [],
        "connected, by the key that was met"
    );
    dialing.disconnected(device(1), true, now, 0);
    assert_eq!(dialing.due(now + BACKOFF_MIN, 9, &ALONE).len(), 1);
}

#[test]
fn a_storm_of_finds_is_bounded_and_does_not_delay_the_configured() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    for number in 0..10_000 {
        dialing.add(Origin::Discovered, Some(device(number)), &at(&format!("10.0.0.{}", number % 100), 1), now);
    }
    assert_eq!(dialing.targets.len(), DISCOVERED_MAX);
    dialing.add(Origin::Configured, Some(device(20_000)), &address(2), now + Duration::from_secs(1));
    let later = now + Duration::from_secs(2);
    let dials = dialing.due(later, 1000, &ALONE);
    assert_eq!(dials[0].device, Some(device(20_000)));
    assert_eq!(dials.len(), 1 + DISCOVERED_DIALS_MAX);
    // A find that failed makes room for a new one.
    let connection = ConnectionId::new_unchecked(1);
    dialing.started(&dials[1], connection);
    dialing.failed(connection, later, 0);
    assert!(dialing.add(Origin::Discovered, Some(device(30_000)), &address(1), later));
    assert_eq!(dialing.targets.len(), DISCOVERED_MAX + 1);
}

fn at(host: &str, port: u16) -> Vec<Multiaddr> {
    vec![format!("/ip4/{host}/tcp/{port}").parse().expect("a well-formed address")]
}

#[test]
fn in_a_storm_of_one_host_another_is_dialled_at_once_and_no_more_than_eight_a_second() {
    let mut now = instant();
    let mut dialing = Dialing::new(device(OWN));
    let (honest, announced_in_tick) = (device(20_000), 50);
    // One that never answers costs its place for the longest handshake there is.
    let handshake_ticks = (HANDSHAKE_MAX.as_millis() / TICK.as_millis()) as usize;
    let mut begun: Vec<Vec<ConnectionId>> = Vec::new();
    let mut honest_dialled_in_tick = None;
    let mut next: u16 = 0;
    for tick in 0..400_usize {
        now += TICK;
        for _ in 0..100.min(10_000 - next) {
            dialing.add(Origin::Discovered, Some(device(next)), &at("10.0.0.66", 1), now);
            next += 1;
        }
        if tick == announced_in_tick {
            assert!(dialing.add(Origin::Discovered, Some(honest), &at("10.0.0.7", 1), now), "it has a place");
        }
        assert!(dialing.targets.len() <= DISCOVERED_MAX);
        for silent in begun.get(tick.wrapping_sub(handshake_ticks)).into_iter().flatten() {
            dialing.failed(*silent, now, 0);
        }
        let mut dials = Vec::new();
        for dial in dialing.due(now, DIALS_PER_TICK, &ALONE) {
            if dial.device == Some(honest) {
                honest_dialled_in_tick.get_or_insert(tick);
            }
            let connection = ConnectionId::new_unchecked(10_000 * tick + dials.len());
            dialing.started(&dial, connection);
            dials.push(connection);
        }
        begun.push(dials);
        let last_second: usize = begun.iter().rev().take(4).map(Vec::len).sum();
        assert!(last_second <= 8, "{last_second} dials within a second");
        let under_way = dialing.targets.values().filter(|target| target.is_dialing()).count();
        assert!(under_way <= DISCOVERED_DIALS_MAX);
    }
    assert_eq!(next, 10_000, "all were announced");
    assert!(begun.iter().map(Vec::len).sum::<usize>() > DISCOVERED_PER_HOST_MAX, "finds are dialled");
    assert_eq!(honest_dialled_in_tick, Some(announced_in_tick));
}

#[test]
fn finds_whose_records_nobody_keeps_any_more_are_forgotten() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    dialing.add(Origin::Trusted, Some(device(99)), &address(1), now);
    for number in 0..3 {
        dialing.add(Origin::Discovered, Some(device(number)), &at(&format!("10.0.0.{number}"), 1), now);
    }
    let ids = (0..2).map(ConnectionId::new_unchecked);
    let finds = dialing.due(now, 9, &ALONE).into_iter().filter(|dial| dial.device != Some(device(99)));
    for (dial, connection) in finds.zip(ids) {
        dialing.started(&dial, connection);
    }
    dialing.forget_finds();
    assert_eq!(dialing.targets.len(), 3, "what is being dialled is waited for");
    let hosts = [0, 1].map(|host| Some(format!("10.0.0.{host}").parse().expect("an address")));
    let under_way: Vec<_> = dialing.count_finds(Target::is_dialing).into_keys().collect();
    assert_eq!(under_way, hosts, "and counts where it hangs");
    dialing.failed(ConnectionId::new_unchecked(0), now, 0);
    dialing.connected(ConnectionId::new_unchecked(1), device(1), now);
    dialing.disconnected(device(1), true, now, 0);
    let left: Vec<_> = dialing.due(now + BACKOFF_MAX, 9, &ALONE).into_iter().map(|dial| dial.device).collect();
    assert_eq!(left, [Some(device(99))]);
    assert_eq!(dialing.targets.len(), 1);
}

#[test]
fn a_storm_of_many_hosts_leaves_each_its_place() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    for number in 0..10_000 {
        let host = format!("10.0.0.{}", number % 100);
        dialing.add(Origin::Discovered, Some(device(number)), &at(&host, 1), now);
    }
    assert!(dialing.add(Origin::Discovered, Some(device(20_000)), &at("10.0.0.200", 1), now));
    assert_eq!(dialing.targets.len(), DISCOVERED_MAX);
    let kept = |host: &str| dialing.targets.values().filter(|target| target.addresses == at(host, 1)).count();
    assert_eq!(kept("10.0.0.200"), 1);
    assert!((0..100).all(|host| kept(&format!("10.0.0.{host}")) >= 1), "none was pushed out by the others");
}

#[test]
fn false_finds_do_not_push_out_where_a_device_was_really_met() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    let known: Vec<Multiaddr> = (1..=8).flat_map(address).collect();
    dialing.add(Origin::Trusted, Some(device(1)), &known, now);
    for port in 100..10_000 {
        dialing.add(Origin::Discovered, Some(device(1)), &address(port), now);
    }
    let dial = dialing.due(now, 9, &ALONE).pop().expect("due");
    assert_eq!(dial.addresses[..PEER_ADDRESSES_MAX / 2], known[..PEER_ADDRESSES_MAX / 2]);
    assert_eq!(dial.addresses.len(), PEER_ADDRESSES_MAX);
    assert!(dial.addresses.contains(&address(9_999)[0]), "the device may have moved: the latest is tried, too");
}

#[test]
fn we_are_never_dialled() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    assert!(!dialing.add(Origin::Configured, Some(device(OWN)), &address(1), now));
    dialing.add(Origin::Configured, None, &address(1), now);
    let dial = dialing.due(now, 9, &ALONE).pop().expect("due");
    dialing.started(&dial, ConnectionId::new_unchecked(1));
    dialing.reached_ourselves(ConnectionId::new_unchecked(1));
    assert_eq!(dialing.due(now, 9, &ALONE), []);
}

#[test]
fn an_address_that_was_asked_for_is_forgotten_after_some_tries() {
    let mut now = instant();
    let mut dialing = Dialing::new(device(OWN));
    dialing.add(Origin::Asked, None, &address(1), now);
    for attempt in 0..ASKED_TRIES_MAX as usize {
        now += BACKOFF_MAX;
        let dial = dialing.due(now, 9, &ALONE).pop().expect("due");
        dialing.started(&dial, ConnectionId::new_unchecked(attempt));
        dialing.failed(ConnectionId::new_unchecked(attempt), now, 0);
    }
    assert_eq!(dialing.due(now + BACKOFF_MAX, 9, &ALONE), []);
}

#[test]
fn devices_told_of_the_same_do_not_all_dial_the_same() {
    let now = instant();
    let mut dialled: Vec<DeviceKey> = Vec::new();
    for own in 1_000..1_050 {
        let mut dialing = Dialing::new(device(own));
        for number in 0..50 {
            dialing.add(Origin::Told, Some(device(number)), &address(1), now + TICK * u32::from(number));
        }
        dialled.extend(dialing.due(now + BACKOFF_MAX, 8, &ALONE).into_iter().filter_map(|dial| dial.device));
    }
    assert_eq!(dialled.len(), 50 * 8);
    for number in 0..50 {
        let dials = dialled.iter().filter(|dialled| **dialled == device(number)).count();
        assert!(dials <= 20, "{dials} of 50 dial device {number}");
    }
}

#[test]
fn what_was_only_told_stands_behind_what_is_known_and_is_dialled_by_who_has_few_peers() {
    let now = instant();
    let mut dialing = Dialing::new(device(OWN));
    dialing.add(Origin::Told, Some(device(1)), &address(1), now);
    assert_eq!(dialing.due(now, 9, &SATED), []);
    assert_eq!(dialing.due(now, 9, &ALONE).len(), 1);
    for port in 1..20 {
        dialing.add(Origin::Trusted, Some(device(2)), &address(port), now);
    }
    let lies: Vec<Multiaddr> = (100..120).flat_map(address).collect();
    dialing.add(Origin::Told, Some(device(2)), &lies, now);
    let dials = dialing.due(now, 9, &SATED);
    assert_eq!(dials.len(), 1);
    let known: Vec<Multiaddr> = (16..20).rev().flat_map(address).collect();
    assert_eq!(dials[0].addresses[..PEER_ADDRESSES_MAX / 2], known, "half of the places cannot be taken");
    assert_eq!(dials[0].addresses.len(), PEER_ADDRESSES_MAX);
    for number in 10..10_000 {
        dialing.add(Origin::Told, Some(device(number)), &address(1), now);
    }
    assert_eq!(dialing.targets.len(), 1 + TOLD_MAX);
}

fn circuit(relay: PeerId) -> Multiaddr {
    format!("/ip4/203.0.113.7/tcp/1/p2p/{relay}/p2p-circuit").parse().expect("a well-formed address")
}

#[test]
fn a_circuit_is_the_last_resort_and_leads_through_relays_at_hand_only() {
    let now = instant();
    let (relay, other) = (PeerId::random(), PeerId::random());
    let both = Sight { is_relay: &|peer| *peer == relay, ..ALONE };
    let mut dialing = Dialing::new(device(OWN));
    let known = [address(1), vec![circuit(relay), circuit(other)]].concat();
    dialing.add(Origin::Trusted, Some(device(1)), &known, now);
    let dial = dialing.due(now, 9, &both).pop().expect("due");
    assert_eq!(dial.addresses, address(1), "directly first");
    dialing.started(&dial, ConnectionId::new_unchecked(1));
    dialing.failed(ConnectionId::new_unchecked(1), now, 0);
    let later = now + BACKOFF_MAX;
    let dial = dialing.due(later, 9, &both).pop().expect("due");
    assert_eq!(dial.addresses, [address(1), vec![circuit(relay)]].concat(), "then both, where the relay is at hand");
    let sated = Sight { circuits_wanted: 0, ..both };
    assert_eq!(dialing.due(later, 9, &sated).pop().expect("due").addresses, address(1));
    let by_circuit = Sight { reach: &|_| Reach::Circuit, ..both };
    assert_eq!(dialing.due(later, 9, &by_circuit).pop().expect("due").addresses, address(1), "a shorter way is tried");
    assert_eq!(dialing.due(later, 9, &Sight { reach: &|_| Reach::Direct, ..both }), []);
}

#[test]
fn of_many_that_only_a_relay_reaches_a_few_are_dialled_and_not_the_same_by_all() {
    let now = instant();
    let relay = PeerId::random();
    let sight = Sight { is_relay: &|peer| *peer == relay, ..ALONE };
    let mut dialled: Vec<DeviceKey> = Vec::new();
    for own in 1_000..1_050 {
        let mut dialing = Dialing::new(device(own));
        for number in 0..50 {
            dialing.add(Origin::Trusted, Some(device(number)), &[circuit(relay)], now);
        }
        let dials = dialing.due(now, 100, &sight);
        assert_eq!(dials.len(), sight.circuits_wanted);
        for (number, dial) in dials.iter().enumerate() {
            assert_eq!(dialing.due(now, 100, &sight).len(), sight.circuits_wanted - number, "with those under way");
            dialing.started(dial, ConnectionId::new_unchecked(number));
        }
        assert_eq!(dialing.due(now, 100, &sight), []);
        dialled.extend(dials.into_iter().filter_map(|dial| dial.device));
    }
    for number in 0..50 {
        let dials = dialled.iter().filter(|dialled| **dialled == device(number)).count();
        assert!(dials <= 10, "{dials} of 50 dial device {number}");
    }
}

#[test]
fn an_address_that_is_ours_in_this_network_is_not_dialled_and_does_not_stand_in_the_way_of_a_circuit() {
    let now = instant();
    let relay = PeerId::random();
    let own = address(1);
    let sight = Sight { is_relay: &|peer| *peer == relay, own: &own, ..ALONE };
    let mut dialing = Dialing::new(device(OWN));
    dialing.add(Origin::Trusted, Some(device(1)), &[address(1), vec![circuit(relay)]].concat(), now);
    assert_eq!(dialing.due(now, 9, &sight).pop().expect("due").addresses, [circuit(relay)]);
    dialing.add(Origin::Asked, None, &address(1), now);
    let ours = dialing.due(now, 9, &sight).pop().expect("due");
    assert_eq!((ours.device, &ours.addresses[..]), (None, &[][..]));
    dialing.is_ours(ours.target);
    assert_eq!(dialing.due(now, 9, &sight).len(), 1);
}
