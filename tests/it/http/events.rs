//! Server-sent events: who hears what, and how the thread is taken up again.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use ucash::http::Times;
use ucash::model::{CreditId, DeviceKey, ShopId, SimNumber};
use ucash::replica::Change;

use super::fake::{Ask, Node, SIM_1, SIM_2, credit_id};

const FAR: &str = "192.168.1.77:50000";
const PATH: &str = "/api/v1/events";

fn credit(shop: u8) -> Change {
    Change::Credit { shop: ShopId(shop.into()), id: CreditId([shop; 10]) }
}

fn balance(shop: u32, sim: &str) -> Change {
    Change::Balance { shop: ShopId(shop), sim: SimNumber::new(sim).expect("a number") }
}

/// An event: its id, its name, its data.
#[derive(Debug, PartialEq)]
pub struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Event {
    pub fn named(self) -> (String, Value) {
        (self.name, self.data)
    }
}

/// A stream as a client reads it.
pub struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    pub async fn open(node: &Node, ask: Ask) -> Stream {
        let response = node.answered(ask).await;
        assert_eq!(response.status().as_u16(), 200, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Stream { body: response.into_body(), text: String::new() };
        assert_eq!(stream.block().await.as_deref(), Some(": ucash\nretry: 2000"));
        stream
    }

    /// The text up to the next empty line; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = self.body.frame().await?.expect("no fault");
            let bytes = frame.into_data().expect("a text");
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    pub async fn event(&mut self) -> Event {
        let block = self.block().await.expect("an event");
        let field = |name: &str| {
            let found = block.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name} in {block:?}")).to_owned()
        };
        let data = serde_json::from_str(&field("data: ")).expect("JSON");
        Event { id: field("id: "), name: field("event: "), data }
    }
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed() {
    let node = Node::start();
    let changes = node.handle.changes();
    changes.tell([credit(1)]);
    let mut stream = Stream::open(&node, Ask::get(PATH)).await;
    changes.tell([credit(2), balance(1, SIM_1)]);
    let first = stream.event().await;
    assert_eq!((first.name.as_str(), &first.data), ("credit", &json!({"id": credit_id(2), "shop_id": 2})));
    let second = stream.event().await;
    assert_eq!((second.name.as_str(), &second.data), ("balance", &json!({"sim": SIM_1, "shop_id": 1})));
    drop(stream);

    let device = DeviceKey([7; 32]);
    changes
        .tell([Change::Peer { device, shop: None, connected: true }, Change::Synced { device, shop: Some(ShopId(2)) }]);
    let back = Ask::get(PATH).header("last-event-id", &first.id);
    let mut stream = Stream::open(&node, back).await;
    assert_eq!(stream.event().await, second, "the same event has the same id");
    let peer = stream.event().await;
    let expected = json!({"device_key": device.to_text(), "shop_id": null, "connected": true});
    assert_eq!((peer.name.as_str(), &peer.data), ("peer", &expected));
    assert_eq!(stream.event().await.name, "sync");
}

#[tokio::test]
async fn who_cannot_go_on_is_told_to_read_anew() {
    let node = Node::start();
    let changes = node.handle.changes();
    changes.tell([credit(1)]);
    let mut stream = Stream::open(&node, Ask::get(PATH)).await;
    changes.tell([credit(1)]);
    let known = stream.event().await.id;
    let (run, _) = known.split_once('-').expect("a run and a number");
    let later = format!("{run}-99");
    for id in ["0000000000000000-1", "x", "", &later, &format!("{run}-x")] {
        let mut stream = Stream::open(&node, Ask::get(PATH).header("last-event-id", id)).await;
        let told = stream.event().await;
        assert_eq!((told.name.as_str(), &told.id), ("resync", &known), "{id}");
    }
    // After a restart the numbers begin anew: what an older run's name is never mistaken for this run's.
    let restarted = Node::start();
    restarted.handle.changes().tell([credit(1), credit(2), credit(1)]);
    let mut stream = Stream::open(&restarted, Ask::get(PATH).header("last-event-id", &known)).await;
    assert_eq!(stream.event().await.name, "resync");

    // More than is kept: the reader who was away, and the one who was there and slow.
    let mut slow = Stream::open(&node, Ask::get(PATH)).await;
    changes.tell(std::iter::repeat_n(credit(1), 5_000));
    assert_eq!(slow.event().await.name, "resync");
    let mut away = Stream::open(&node, Ask::get(PATH).header("last-event-id", &known)).await;
    assert_eq!(away.event().await.name, "resync");
    changes.tell([credit(2)]);
    for stream in [&mut slow, &mut away] {
        assert_eq!(stream.event().await.data["shop_id"], 2, "and then they go on");
    }
}

#[tokio::test]
async fn a_token_never_hears_of_another_shop() {
    let node = Node::start();
    let changes = node.handle.changes();
    let (_, token) = node.token(&[1], true, None).await;
    let mut stream = Stream::open(&node, Ask::get(PATH).from(FAR).bearer(&token)).await;
    let other = DeviceKey([9; 32]);
    changes.tell([
        credit(2),
        balance(2, SIM_2),
        Change::Peer { device: other, shop: Some(ShopId(2)), connected: true },
        Change::Synced { device: other, shop: Some(ShopId(2)) },
        credit(1),
    ]);
    let heard = stream.event().await;
    assert_eq!(heard.data, json!({"id": credit_id(1), "shop_id": 1}));
    let mut again = Stream::open(
        &node,
        Ask::get(PATH).from(FAR).bearer(&token).header("last-event-id", &{
            let (run, _) = heard.id.split_once('-').expect("a run");
            format!("{run}-0")
        }),
    )
    .await;
    assert_eq!(again.event().await, heard, "nor when it comes back");
}

#[tokio::test]
async fn a_revoked_token_hears_no_more() {
    let node = Node::start();
    let (id, token) = node.token(&[1], true, None).await;
    let mut stream = Stream::open(&node, Ask::get(PATH).from(FAR).bearer(&token)).await;
    let mut owner = Stream::open(&node, Ask::get(PATH)).await;
    let ended = node.ask(Ask::new(axum::http::Method::DELETE, &format!("/api/v1/tokens/{id}"))).await;
    assert_eq!(ended.status.as_u16(), 204);
    node.handle.changes().tell([credit(1)]);
    assert_eq!(stream.block().await, None);
    assert_eq!(owner.event().await.name, "credit");
}

#[tokio::test]
async fn readers_are_counted() {
    let node = Node::start();
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Stream::open(&node, Ask::get(PATH)).await);
    }
    let told = node.ask(Ask::get(PATH)).await;
    assert_eq!(told.code(), (503, "too_many_streams"));
    assert!(told.headers.contains_key("retry-after"));
    open.pop();
    Stream::open(&node, Ask::get(PATH)).await;
}

#[tokio::test]
async fn silence_is_filled_with_signs_of_life() {
    let node = Node::start();
    let mut request = axum::http::Request::get(PATH).header("host", "127.0.0.1:8080").body(Body::empty()).expect("one");
    request.extensions_mut().insert(axum::extract::ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 5))));
    request.extensions_mut().insert(Times { heartbeat: std::time::Duration::from_millis(1), ..Times::default() });
    let router = ucash::http::router(node.state.clone());
    let response = tower::ServiceExt::oneshot(router, request).await.expect("infallible");
    let mut stream = Stream { body: response.into_body(), text: String::new() };
    assert_eq!(stream.block().await.as_deref(), Some(": ucash\nretry: 2000"));
    assert_eq!(stream.block().await.as_deref(), Some(":"));
    assert_eq!(stream.block().await.as_deref(), Some(":"));
}
