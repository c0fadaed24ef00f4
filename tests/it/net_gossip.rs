//! Gossip among strangers: a relay hands it on to all who hear it, at once; what nobody of the network sealed is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, SwarmBuilder, gossipsub, noise, tcp, yamux};
use tokio::sync::mpsc;
use tokio::time::timeout;
use ucash::node::net::{CircuitLimits, NetCommand, NetConfig, NetEvent, spawn};

use crate::process::{Shop, eventually};

const PATIENCE: Duration = Duration::from_secs(20);
/// From one message to the next: those who subscribe late hear one of the later ones.
const PACE: Duration = Duration::from_millis(50);
/// More than the mesh of an ordinary device takes.
const DEVICES: usize = 20;
/// What strangers hear.
pub const TOPIC: &str = "hints";

type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::AllowAllSubscriptionFilter>;

/// A device of another program, which speaks nothing but gossip, hears [`TOPIC`], and takes what it is sent: it never asks
/// for what others only say that they have.
pub fn stranger() -> Swarm<Gossip> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::new(blake3::hash(&message.data).as_bytes()))
        .heartbeat_initial_delay(Duration::from_millis(50))
        .connection_handler_queue_len(10_000)
        .max_ihave_messages_heartbeat(0)
        .build()
        .expect("a configuration");
    let behaviour = || Gossip::new(gossipsub::MessageAuthenticity::Anonymous, config).expect("a behaviour");
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| behaviour())
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.behaviour_mut().subscribe(&gossipsub::IdentTopic::new(TOPIC)).expect("a topic");
    swarm
}

/// Says when it has heard something, and goes on.
async fn hear(relay: Multiaddr, device: usize, heard: mpsc::UnboundedSender<usize>) {
    let mut swarm = stranger();
    swarm.dial(relay.clone()).expect("a dial");
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(gossipsub::Event::Message { .. }) => drop(heard.send(device)),
            SwarmEvent::ConnectionClosed { .. } => swarm.dial(relay.clone()).expect("a dial"),
            _ => {}
        }
    }
}

/// Says something else again and again.
async fn tell(relay: Multiaddr) {
    let mut swarm = stranger();
    swarm.dial(relay.clone()).expect("a dial");
    let mut pace = tokio::time::interval(PACE);
    let mut number = 0u64;
    loop {
        tokio::select! {
            event = swarm.select_next_some() => if matches!(event, SwarmEvent::ConnectionClosed { .. }) {
                swarm.dial(relay.clone()).expect("a dial");
            },
            _ = pace.tick() => {
                number += 1;
                let topic = gossipsub::IdentTopic::new(TOPIC);
                // Nobody may be there yet.
                let _ = swarm.behaviour_mut().publish(topic.hash(), number.to_be_bytes());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_sends_what_is_gossiped_to_every_device_that_hears_its_topic() {
    let (sender, mut events) = mpsc::channel(64);
    let config = NetConfig {
        secret_key: [211; 32],
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("a well-formed address")],
        peers: Vec::new(),
        public: Vec::new(),
        relay: Some(CircuitLimits::default()),
        mdns: false,
        gossip_topics: vec![TOPIC.into()],
        address_book: None,
    };
    let relay = spawn(config, sender).expect("the network starts");
    let address = relay.listening().await.expect("the node listens").remove(0);
    let commands = relay.commands.clone();
    let judge = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let NetEvent::Gossip { id, .. } = event {
                commands.send(NetCommand::JudgeGossip { id, accept: true }).await.expect("the network runs");
            }
        }
    });
    let (heard_by, mut heard) = mpsc::unbounded_channel();
    let mut at_work = vec![tokio::spawn(tell(address.clone()))];
    at_work.extend((0..DEVICES).map(|device| tokio::spawn(hear(address.clone(), device, heard_by.clone()))));
    let mut missing: BTreeSet<usize> = (0..DEVICES).collect();
    let all = async {
        while !missing.is_empty() {
            missing.remove(&heard.recv().await.expect("they go on"));
        }
    };
    let ended = timeout(PATIENCE, all).await;
    at_work.iter().chain([&judge]).for_each(tokio::task::JoinHandle::abort);
    assert!(ended.is_ok(), "these were sent nothing: {missing:?}");
}

/// Says rubbish of every length up to a few seals on each topic that it is told of: who hears what is no secret to whoever
/// connects.
async fn tell_rubbish(node: Multiaddr) {
    let mut swarm = stranger();
    swarm.dial(node.clone()).expect("a dial");
    let mut pace = tokio::time::interval(PACE);
    let mut topics = BTreeSet::new();
    let mut number = 0u32;
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(gossipsub::Event::Subscribed { topic, .. }) => drop(topics.insert(topic)),
                SwarmEvent::ConnectionClosed { .. } => swarm.dial(node.clone()).expect("a dial"),
                _ => {}
            },
            _ = pace.tick() => for topic in &topics {
                number += 1;
                let rubbish = blake3::hash(&number.to_be_bytes()).as_bytes().repeat(4);
                let length = number as usize % rubbish.len();
                // Its queue may be full.
                let _ = swarm.behaviour_mut().publish(topic.clone(), &rubbish[..length]);
            },
        }
    }
}

#[test]
fn what_a_stranger_gossips_to_the_program_is_refused_and_counted_and_work_goes_on() {
    let mut shop = Shop::found("siege", "Bavarde", 1);
    shop.ok(&["sim", "add", "+243970000001", "--operator", "Airtel", "--initial-usd", "100.00"]);
    shop.start(&[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stranger = runtime.spawn(tell_rubbish(shop.listen().parse().expect("a multiaddr")));
    eventually("rubbish of every length to be refused", || {
        let page = shop.face().request("GET", "/metrics", &[], None)?.text;
        let refused = page.lines().find_map(|line| line.strip_prefix("ucash_gossip_refused_total ")?.parse().ok());
        if refused.is_some_and(|count: u32| count > 128) { Ok(()) } else { Err(format!("{refused:?}")) }
    });
    stranger.abort();
    let words =
        ["credit", "grant", "--amount", "1.00", "--currency", "USD", "--to", "Divine", "--sim", "+243970000001"];
    shop.ok(&[&words[..], &["--reference", "MALGRE"]].concat());
    assert!(shop.stop().success());
    shop.assert_sound();
}
