//! Real hosts: each a network namespace of its own, with real cables (veth), switches (bridges) and routers that translate
//! addresses (nftables), and the real program on them.
//!
//! A test runs itself again in a namespace that it owns (`namespace`), which is the internet's switch; where the system lets
//! it make none, it says that it is skipped, and why. No packet leaves these namespaces.

mod clocks;
mod lans;
mod links;
mod proxies;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::namespace::{again_in_a_namespace, is_in_its_namespace};
use crate::process::{Shop, eventually, same};

pub const SIM: &str = "+243971777631";
const RELAY: &str = "203.0.113.1";

/// The internet's switch, and whether there is all that the tests take.
const SETUP: &str = "ip link set lo up && ip link add inet type bridge && ip link set inet up \
    && nft list ruleset && unshare -n true && tc qdisc add dev lo root tbf rate 1gbit burst 1mb latency 1s";

/// Runs the test of that name among hosts of its own.
pub fn among_hosts(name: &str, test: fn()) {
    if is_in_its_namespace() {
        return test();
    }
    again_in_a_namespace(name, SETUP);
}

/// Runs these words of the shell, which must succeed.
#[track_caller]
fn shell(way: &[String], script: &str) {
    let words = [way, &["sh".to_owned(), "-ec".to_owned(), script.to_owned()]].concat();
    let output = Command::new(&words[0]).args(&words[1..]).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A host. It is there as long as this is.
pub struct Host {
    /// Keeps the namespace, until its standard input is closed.
    holder: Child,
}

impl Host {
    fn new() -> Host {
        let mut unshare = Command::new("unshare");
        unshare.args(["-n", "sh", "-ec", "ip link set lo up; echo up; exec cat"]);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a namespace");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        assert_eq!(line, "up\n");
        Host { holder }
    }

    /// The words that lead there.
    pub fn way(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holder.id())]
    }

    /// Runs these words of the shell there.
    #[track_caller]
    pub fn sh(&self, script: &str) {
        shell(&self.way(), script);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A cable from a host to a switch.
pub struct Cable {
    switch: Vec<String>,
    port: String,
}

impl Cable {
    /// Lays one from the interface of that name, which gets that address, to a switch of the host at the end of `switch`.
    #[track_caller]
    fn lay(switch: Vec<String>, bridge: &str, host: &Host, interface: &str, address: &str) -> Cable {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let port = format!("port{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let pid = host.holder.id();
        shell(
            &switch,
            &format!(
                "ip link add {port} type veth peer name {interface} netns {pid}; ip link set {port} master {bridge} up"
            ),
        );
        host.sh(&format!("ip addr add {address}/24 dev {interface}; ip link set {interface} up"));
        Cable { switch, port }
    }

    /// Pulls it at the switch.
    pub fn pull(&self) {
        shell(&self.switch, &format!("ip link set {} down", self.port));
    }

    /// Puts it back.
    pub fn put_back(&self) {
        shell(&self.switch, &format!("ip link set {} up", self.port));
    }

    /// What goes to the host is held to that rate (`tc`'s words).
    pub fn slow_down(&self, rate: &str) {
        shell(&self.switch, &format!("tc qdisc replace dev {} root tbf rate {rate} burst 4kb latency 2s", self.port));
    }
}

/// Plugs a host into the internet.
#[track_caller]
pub fn on_the_internet(address: &str) -> (Host, Cable) {
    let host = Host::new();
    let cable = Cable::lay(Vec::new(), "inet", &host, "eth0", address);
    (host, cable)
}

/// A shop's network behind a router that translates addresses and lets nobody in (masquerade), as every other: 192.168.1.0/24.
pub struct Lan {
    router: Host,
    pub uplink: Cable,
}

impl Lan {
    /// Its router has this address on the internet.
    #[track_caller]
    pub fn new(address: &str) -> Lan {
        let router = Host::new();
        let uplink = Cable::lay(Vec::new(), "inet", &router, "wan", address);
        router.sh("ip link add lan type bridge; ip addr add 192.168.1.1/24 dev lan; ip link set lan up; \
            echo 1 > /proc/sys/net/ipv4/ip_forward; \
            nft add table ip nat; \
            nft 'add chain ip nat post { type nat hook postrouting priority srcnat; }'; \
            nft add rule ip nat post oifname wan masquerade; \
            nft add table ip filter; \
            nft 'add chain ip filter passing { type filter hook forward priority 0; policy drop; }'; \
            nft add rule ip filter passing ct state established,related accept; \
            nft add rule ip filter passing iifname lan accept; \
            nft 'add chain ip filter own { type filter hook input priority 0; }'; \
            nft add rule ip filter own iifname wan ct state new drop");
        Lan { router, uplink }
    }

    /// Plugs a host into it: 192.168.1.`number`.
    #[track_caller]
    pub fn plug(&self, number: u8) -> (Host, Cable) {
        let host = Host::new();
        let cable = Cable::lay(self.router.way(), "lan", &host, "eth0", &format!("192.168.1.{number}"));
        host.sh("ip route add default via 192.168.1.1");
        (host, cable)
    }
}

/// A head office at that host, whose node runs, with a SIM.
#[track_caller]
pub fn office_at(host: &Host, words: &[&str]) -> Shop {
    let mut office = Shop::empty("siege");
    office.stand_at(host.way());
    let mut office = office.founded("Hôtes", 1);
    start(&mut office, "start", words);
    office.ok(&["sim", "add", SIM, "--operator", "Airtel", "--initial-usd", "10000"]);
    office
}

/// A new device, which joins at the head office's host, and then stands at its own.
#[track_caller]
pub fn joined_at(name: &str, office: &Shop, at: (&Host, &Host), words: &[&str]) -> Shop {
    let (desk, own) = at;
    let invitation = office.ok(&[&["invite", "--shop", "1"], words].concat());
    let mut joining = Shop::empty(name);
    joining.stand_at(desk.way());
    let mut joined = joining.accepted(invitation["invitation"].as_str().expect("an invitation"), 1);
    joined.stand_at(own.way());
    joined
}

/// Starts a node where its host is reached.
#[track_caller]
pub fn start(shop: &mut Shop, command: &str, words: &[&str]) {
    let own = [command, "--http", "127.0.0.1:0", "--sync-every", "5s"];
    let listen: &[&str] = if words.contains(&"--listen") { &[] } else { &["--listen", "/ip4/0.0.0.0/tcp/7071"] };
    shop.start_as(&[&own[..], listen, words].concat(), &[]);
}

/// Two shops behind routers and a relay on the internet, all running; the head office in one, a till in the other.
pub struct Company {
    pub office: Shop,
    pub till: Shop,
    pub relay: Shop,
    /// The till's host, and its cable.
    pub counter: (Host, Cable),
    /// What has to stay for the others to stand on.
    _ground: (Host, Cable, Host, Cable, [Lan; 2]),
}

impl Company {
    /// Both routers give the same addresses, as most do: the till has 192.168.1.`number` in its network.
    #[track_caller]
    pub fn behind_two_routers(number: u8) -> Company {
        let (internet, line) = on_the_internet(RELAY);
        let lans = [Lan::new("203.0.113.10"), Lan::new("203.0.113.20")];
        let ((desk, desk_cable), counter) = (lans[0].plug(10), lans[1].plug(number));
        let mut office = office_at(&desk, &["--no-mdns"]);
        let (relay, address) = relay_at(&internet, &office, &desk);
        let mut till = joined_at("guichet", &office, (&desk, &counter.0), &[]);
        office.stop();
        for shop in [&mut office, &mut till] {
            start(shop, "start", &["--no-mdns", "--peer", &address]);
        }
        Company { office, till, relay, counter, _ground: (internet, line, desk, desk_cable, lans) }
    }
}

/// A relay on the internet that joined at the head office's desk, running, and its address.
#[track_caller]
pub fn relay_at(host: &Host, office: &Shop, desk: &Host) -> (Shop, String) {
    let mut relay = joined_at("relais", office, (desk, host), &["--role", "relay"]);
    let public = format!("/ip4/{RELAY}/tcp/7071");
    start(&mut relay, "relay", &["--no-mdns", "--public", &public]);
    let address = relay.ready()["listen"].as_array().expect("addresses").iter().filter_map(|one| one.as_str());
    let peer = address.map(str::to_owned).find_map(|one| one.split_once("/p2p/").map(|(_, peer)| peer.to_owned()));
    (relay, format!("{public}/p2p/{}", peer.expect("a peer id")))
}

#[track_caller]
pub fn grant(shop: &Shop, reference: &str) {
    let words = ["credit", "grant", "--reference", reference, "--amount", "10", "--currency", "USD", "--to", "Amani"];
    shop.ok(&[&words[..], &["--sim", SIM]].concat());
}

#[track_caller]
pub fn has(shop: &Shop, reference: &str) {
    eventually(reference, || shop.credit(reference).map(drop));
}

#[track_caller]
pub fn is_paid(shop: &Shop, reference: &str, amount: &str) {
    eventually(&format!("{reference} paid"), || same(shop.credit(reference)?["paid"].clone(), json!(amount)));
}

/// Whether it has a session with the device of that name.
pub fn is_connected(shop: &Shop, device: &str) -> Result<(), String> {
    let peers = shop.ok(&["peers"]);
    let all = peers["items"].as_array().expect("a list");
    let found = all.iter().any(|peer| peer["device"] == device && peer["connected"] == true);
    if found { Ok(()) } else { Err(peers.to_string()) }
}

/// Whether the session that stands with the other leads through no relay, as the log tells it.
pub fn is_direct(shop: &Shop, other: &Shop) -> Result<(), String> {
    let told = format!("connected peer={}", other.status()["device_key"].as_str().expect("a key"));
    let log = shop.log();
    let last = log.lines().rfind(|line| line.contains(&told)).unwrap_or("nothing").to_owned();
    let is_direct = last.contains(&format!(" {told}")) && !last.contains("/p2p-circuit");
    if is_direct { Ok(()) } else { Err(last) }
}
