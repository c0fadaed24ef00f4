//! An engine that knows two shops with a credit and a SIM each, and writes down what it was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request as HttpRequest, StatusCode, Version};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;
use ucash::http::{ApiSettings, ApiState, router};
use ucash::ledger::Refusal;
use ucash::model::{Conflict, ConflictId, ConflictKind, Outcome, ShopId, Timestamp};
use ucash::money::{Amount, Currency};
use ucash::node::{Look, NodeHandle, Request, SyncReport};
use ucash::replica::{Answer, Command, ConflictView, Page, Query, ReportOutcome, RowOutcome};

pub const LOCAL_CREDENTIAL: &str = "local-secret";
pub const SIM_1: &str = "+243000001";
pub const SIM_2: &str = "+243000002";
/// 2026-10-01T00:00:00Z.
const NOW_MS: i64 = 1_790_812_800_000;
/// Where [`later`] stands: after any token of a day.
const LATER_MS: i64 = NOW_MS + 10 * 86_400_000;

pub fn now() -> Timestamp {
    Timestamp(NOW_MS)
}

pub fn later() -> Timestamp {
    Timestamp(LATER_MS)
}

fn draw(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("randomness");
}

use super::described::Described;

/// Every command that the engine was given, and its key.
type Log = Arc<Mutex<Vec<(Command, Option<String>)>>>;

/// A face and what its engine was told.
pub struct Node {
    pub state: ApiState,
    router: Router,
    pub handle: NodeHandle,
    pub told: Log,
    /// Every answer of every test is one that the document describes.
    described: Described,
}

/// A request in the making.
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub peer: &'static str,
}

impl Ask {
    pub fn new(method: Method, path: &str) -> Ask {
        let headers = vec![("host".to_owned(), "127.0.0.1:8080".to_owned())];
        Ask { method, path: path.to_owned(), headers, body: Vec::new(), peer: "127.0.0.1:50000" }
    }

    pub fn get(path: &str) -> Ask {
        Ask::new(Method::GET, path)
    }

    pub fn post(path: &str, body: &Value) -> Ask {
        Ask::new(Method::POST, path).raw(body.to_string())
    }

    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Ask {
        self.body = body.into();
        self.header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Ask {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn from(mut self, peer: &'static str) -> Ask {
        self.peer = peer;
        self
    }
}

/// An answer, read.
#[derive(Debug)]
pub struct Told {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Told {
    pub fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or(""))
    }
}

impl Node {
    pub fn start() -> Node {
        let (requests, inbox) = mpsc::channel(16);
        let told = Arc::new(Mutex::new(Vec::new()));
        let (looks, looked) = mpsc::channel(16);
        tokio::spawn(run(inbox, looked, Arc::clone(&told)));
        let handle = NodeHandle::new(requests, looks, Arc::default(), Default::default());
        Node::on(handle, told, now)
    }

    /// A face whose engine is gone.
    pub fn without_engine() -> Node {
        let handle = NodeHandle::new(mpsc::channel(1).0, mpsc::channel(1).0, Arc::default(), Default::default());
        Node::on(handle, Arc::default(), now)
    }

    /// A face whose engine is there and answers nobody.
    pub fn with_deaf_engine() -> Node {
        let ((requests, inbox), (looks, looked)) = (mpsc::channel(16), mpsc::channel(16));
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop((inbox, looked));
        });
        let handle = NodeHandle::new(requests, looks, Arc::default(), Default::default());
        Node::on(handle, Arc::default(), now)
    }

    /// Another face of the same engine, as after a restart at that time.
    pub fn restarted(&self, clock: fn() -> Timestamp) -> Node {
        Node::on(self.handle.clone(), Arc::clone(&self.told), clock)
    }

    fn on(handle: NodeHandle, told: Log, clock: fn() -> Timestamp) -> Node {
        Node::of(handle, told, clock, &["https://app.example"])
    }

    /// Another face of the same engine, for pages of other sites.
    pub fn with_origins(&self, origins: &[&str]) -> Node {
        Node::of(self.handle.clone(), Arc::clone(&self.told), now, origins)
    }

    fn of(handle: NodeHandle, told: Log, clock: fn() -> Timestamp, origins: &[&str]) -> Node {
        let state = ApiState::new(ApiSettings {
            node: handle.clone(),
            local_credential: LOCAL_CREDENTIAL.to_owned(),
            bound: Some(([0, 0, 0, 0], 8080).into()),
            hosts: vec!["relay.example".to_owned()],
            origins: origins.iter().map(|origin| origin.parse().expect("an origin")).collect(),
            clock,
            draw,
            addresses: Arc::new(|| vec!["/ip4/192.168.1.5/tcp/9000".to_owned()]),
        });
        Node { router: router(state.clone()), described: Described::of(&state), state, handle, told }
    }

    /// The answer as it comes, for who reads it bit by bit.
    pub async fn answered(&self, ask: Ask) -> Response {
        self.answered_in(ask, Version::HTTP_11).await
    }

    /// The same, asked in that version of HTTP.
    pub async fn answered_in(&self, ask: Ask, version: Version) -> Response {
        let mut request = HttpRequest::builder().method(ask.method).uri(&ask.path).version(version);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(ask.body)).expect("a request");
        let peer: SocketAddr = ask.peer.parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    pub async fn ask(&self, ask: Ask) -> Told {
        let (method, path) = (ask.method.clone(), ask.path.clone());
        let told = self.ask_plainly(ask).await;
        self.described.judge(&method, &path, &told);
        told
    }

    /// The answer, also to what the document does not describe.
    pub async fn ask_plainly(&self, ask: Ask) -> Told {
        let (parts, body) = self.answered(ask).await.into_parts();
        let is_stream = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let bytes = if is_stream {
            // It has no end: its beginning is enough.
            let mut body = body;
            let frame = body.frame().await.expect("a beginning").expect("no fault");
            frame.into_data().expect("a text")
        } else {
            axum::body::to_bytes(body, usize::MAX).await.expect("a body")
        };
        let is_json =
            parts.headers.get("content-type").is_none_or(|kind| kind.to_str().is_ok_and(|kind| kind.contains("json")));
        let body = match bytes.as_ref() {
            [] => Value::Null,
            json if is_json => serde_json::from_slice(json).expect("JSON"),
            // The page.
            text => Value::String(String::from_utf8_lossy(text).into_owned()),
        };
        Told { status: parts.status, headers: parts.headers, body }
    }

    /// Makes a token by way of the API.
    pub async fn token(&self, shops: &[u32], read_only: bool, expires: Option<&str>) -> (String, String) {
        let body = json!({"name": "test", "shops": shops, "read_only": read_only, "expires": expires});
        let told = self.ask(Ask::post("/api/v1/tokens", &body)).await;
        assert_eq!(told.status, StatusCode::CREATED, "{told:?}");
        let text = |field: &str| told.body[field].as_str().expect("a text").to_owned();
        (text("id"), text("token"))
    }

    pub fn last_told(&self) -> Option<(Command, Option<String>)> {
        let told = self.told.lock().expect("unpoisoned");
        told.iter().rev().find(|(command, _)| !matches!(command, Command::PutLocal { .. })).cloned()
    }
}

async fn run(mut inbox: mpsc::Receiver<Request>, mut looked: mpsc::Receiver<Look>, told: Log) {
    let mut local = BTreeMap::new();
    loop {
        let request = tokio::select! {
            Some((query, reply)) = looked.recv() => {
                let _ = reply.send(look(*query, &local));
                continue;
            }
            request = inbox.recv() => request,
        };
        let Some(request) = request else { return };
        match request {
            Request::Command { command, key, reply } => {
                told.lock().expect("unpoisoned").push((*command.clone(), key));
                let _ = reply.send(obey(*command, &mut local));
            }
            Request::Sync { reply } => {
                let _ = reply.send(SyncReport::default());
            }
        }
    }
}

fn obey(command: Command, local: &mut BTreeMap<String, Vec<u8>>) -> Result<Answer, Refusal> {
    Ok(match command {
        Command::Repair => Answer::Done,
        Command::PutLocal { key, value: Some(value) } => {
            local.insert(key, value);
            Answer::Done
        }
        Command::PutLocal { key, value: None } => {
            local.remove(&key);
            Answer::Done
        }
        Command::Import { rows, .. } => Answer::Imported(rows.iter().map(|_| RowOutcome::Created).collect()),
        Command::AddShop { .. } => Answer::Shop(view(shop(3))),
        Command::AddSim { .. } => Answer::Balance(view(balance(SIM_1, 1))),
        Command::Move { .. }
        | Command::ValidateCapture { .. }
        | Command::Reimburse { .. }
        | Command::ReverseMovement { .. } => Answer::Movement(view(movement(1))),
        Command::Grant(_) => Answer::Credit(Box::new(view(credit(1)))),
        Command::Pay { credit: key, .. }
        | Command::ReversePayment { credit: key, .. }
        | Command::Cancel { credit: key, .. }
        | Command::Edit { credit: key, .. } => find(&key)?,
        Command::Resolve { conflict: key, .. } => Answer::Conflict(Box::new(find_conflict(&key)?)),
        Command::Invite { .. } => Answer::Invitation(view(
            json!({"invitation": "ucash1x", "shop_id": 1, "role": "device", "expires_at": "2026-10-01T00:15:00.000Z"}),
        )),
        Command::GiveShare { sim, .. } | Command::AskShare { sim, .. } => Answer::Shares(view(shares(sim.as_str()))),
        Command::ReturnCredit { credit: key } => find(&key)?,
        Command::MoveSim { sim, shop } => Answer::Balance(view(balance(sim.as_str(), shop.0))),
        Command::CloseDevice { .. } => Answer::Closing(view(json!({
            "device": "phone", "device_key": "k", "shop_id": 1, "state": "stopped", "successor": "pc",
            "waiting_for": ["tablet"], "end": null, "insisted": false, "exposure": [],
        }))),
        Command::NameGateway { shop: named, .. } => Answer::Shop(view(shop(named.0))),
        Command::Report { rows, .. } => {
            let skipped = |_| ReportOutcome::Skipped { server_id: 1 << 41, smaller: false };
            Answer::Reported(rows.iter().map(skipped).collect())
        }
        Command::Download { .. } => Answer::Rows(Vec::new()),
        Command::RevokeDevice { .. } | Command::RenameDevice { .. } => Answer::Device(view(device(1))),
    })
}

fn look(query: Query, local: &BTreeMap<String, Vec<u8>>) -> Result<Answer, Refusal> {
    let page = |items: [Value; 2]| json!({"items": items, "next": null});
    Ok(match query {
        Query::Status => Answer::Status(Box::new(view(status()))),
        Query::Devices => Answer::Devices(view(page([device(1), device(2)]))),
        Query::Rows(_) => Answer::Rows(Vec::new()),
        Query::Shops => Answer::Shops(view(page([shop(1), shop(2)]))),
        Query::Sims { .. } => Answer::Sims(view(page([sim(SIM_1, 1), sim(SIM_2, 2)]))),
        Query::Credits(_) => Answer::Credits(view(page([credit(1), credit(2)]))),
        Query::Credit { key } => find(&key)?,
        Query::CreditHistory { key } => {
            find(&key)?;
            Answer::History(view(json!({"items": [], "next": null})))
        }
        Query::SimBalance { sim } if sim.as_str() == SIM_1 => Answer::Balance(view(balance(SIM_1, 1))),
        Query::SimBalance { sim } if sim.as_str() == SIM_2 => Answer::Balance(view(balance(SIM_2, 2))),
        Query::SimBalance { sim } => return Err(Refusal::UnknownSim { sim }),
        Query::SimShares { sim } => Answer::Shares(view(shares(sim.as_str()))),
        Query::Movements { sim, .. } => {
            let shop = if sim.as_str() == SIM_1 { 1 } else { 2 };
            Answer::Movements(view(json!({"items": [movement(shop)], "next": null})))
        }
        Query::Conflicts(filter) => {
            let all = [conflict(1), conflict(2), conflict(0)].into_iter();
            let items = all.filter(|one| filter.shop.is_none_or(|shop| shop == one.conflict.shop)).collect();
            Answer::Conflicts(Page { items, next: None })
        }
        Query::Conflict { key } => Answer::Conflict(Box::new(find_conflict(&key)?)),
        Query::Statistics(_) => Answer::Statistics(BTreeMap::new()),
        Query::Local { prefix } => {
            let found = local.iter().filter(|(key, _)| key.starts_with(&prefix));
            Answer::Local(found.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        Query::Log(_) => Answer::Entries(view(json!({"items": [], "next": null}))),
        Query::Document { key } => {
            find(&key)?;
            Answer::Document(Box::new(view(json!({
                "id": credit_id(1), "reference": "CRED-1", "shop_id": 1, "changes": [],
            }))))
        }
        Query::Verify => Answer::Verified(view(
            json!({"entries": 0, "logs": 0, "credits": 0, "movements": 0, "sound": true, "faults": []}),
        )),
        Query::Snapshot => Answer::Snapshot(Box::new(view(json!({"own": [], "header": {
            "version": 1, "program": "0", "network": "N", "network_id": "n", "shop_id": 1, "shop": "S", "device": "pc",
            "device_key": "k", "made_at": "x", "entries": 0, "credits": 0, "logs": {},
        }})))),
        Query::OwnValues { keys } => Answer::OwnValues(Vec::new(), keys.len()),
        Query::LogPiece { .. } => Answer::LogPiece(None),
    })
}

fn find(key: &str) -> Result<Answer, Refusal> {
    let found = [1, 2].into_iter().find(|shop| key == format!("CRED-{shop}") || key == credit_id(*shop));
    let shop = found.ok_or_else(|| Refusal::UnknownCredit { key: key.to_owned() })?;
    Ok(Answer::Credit(Box::new(view(credit(shop)))))
}

fn view<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the shape of a view")
}

pub fn credit_id(shop: u32) -> String {
    ucash::model::CreditId([u8::try_from(shop).expect("small"); 10]).to_string()
}

pub fn movement_id(shop: u32) -> String {
    ucash::model::MovementId([u8::try_from(shop).expect("small"); 10]).to_string()
}

fn credit(shop: u32) -> Value {
    json!({"id": credit_id(shop), "reference": format!("CRED-{shop}"), "status": "accorde", "currency": "USD",
        "amount": "125.50", "paid": "0.00", "remaining": "125.50", "overpaid": "0.00", "shop_id": shop,
        "sim": SIM_1, "beneficiary": {"name": "A", "phone": null, "address": null, "kind": "autre", "shop_id": null},
        "agent": null, "device": "pc", "granted_at": "2026-09-01T00:00:00.000Z", "due_at": null, "paid_at": null,
        "cancelled_at": null, "notes": null, "payments": [], "updated_at": "2026-09-01T00:00:00.000Z", "seen_by": 1, "seen_by_devices": ["pc"],
        "conflicts": []})
}

fn movement(shop: u32) -> Value {
    json!({"id": movement_id(shop), "kind": "deposit", "sim": SIM_1, "shop_id": shop, "amount": "1.00",
        "currency": "USD", "at": "x", "agent": null, "device": "pc", "counts": true, "reversed": false,
        "reference": null, "client": null, "phone": null, "cash": null, "fee": null, "owed_by": null, "state": null})
}

fn shop(id: u32) -> Value {
    json!({"id": id, "name": format!("Shop {id}"), "town": null, "devices": 1, "sims": 1, "credits": 1})
}

fn sim(number: &str, shop: u32) -> Value {
    json!({"sim": number, "operator": "Airtel", "shop_id": shop, "active": true, "balances": {}})
}

fn shares(number: &str) -> Value {
    let one = json!({
        "device": "pc", "device_key": "k", "share": "20.00", "this_device": true, "connected": false,
        "last_seen": null, "closed": false,
    });
    let shop = if number == SIM_1 { 1 } else { 2 };
    json!({"sim": number, "shop_id": shop, "shares": {"USD": [one]}, "on_the_way": {}, "coming_back": {}})
}

fn balance(number: &str, shop: u32) -> Value {
    let usd = json!({"available": "100.00", "at_least": "20.00", "at_most": "100.00",
        "oldest_heard": {"device": "phone", "at": "2026-06-03T12:05:00.000Z"}, "this_device": "20.00",
        "initial": "100.00", "captures": "0.00", "credits": "0.00", "withdrawals": "0.00", "deposits": "0.00"});
    json!({"sim": number, "operator": "Airtel", "shop_id": shop, "balances": {"USD": usd}})
}

fn device(shop: u32) -> Value {
    json!({"name": "pc", "key": "k", "shop_id": shop, "role": "device", "read": "own", "this_device": true,
        "connected": false, "revoked": false, "certified_at": "x", "expires_at": null})
}

fn status() -> Value {
    let peer = |shop: u32| {
        json!({"device": "pc", "device_key": "k", "shop_id": shop, "connected": true, "in_step": true,
            "last_sync_time": null})
    };
    json!({"network": "N", "network_id": "n", "time_zone": "Africa/Lubumbashi", "shop_id": 1, "shop": "Shop 1",
        "device": "pc", "device_key": "k", "role": "headoffice", "is_syncing": false, "last_sync_time": null,
        "pending_count": 0, "peers": [peer(1), peer(2)], "clock_offset_ms": null, "conflicts_open": 0, "entries": 1,
        "set_aside": 0, "waiting": 0, "credits": 2, "state_digest": "d", "shop_digests": {"1": "a", "2": "b"},
        "version": "0", "now": "2026-01-01T00:00:00.000Z"})
}

/// A conflict of that shop, 0 the register's: more was received than was owed.
pub fn conflict(shop: u32) -> ConflictView {
    let conflict = Conflict {
        id: ConflictId([u8::try_from(shop).expect("a small number"); 10]),
        kind: ConflictKind::Overpaid,
        shop: ShopId(shop),
        credit: None,
        sim: None,
        over: None,
        sides: Vec::new(),
        outcome: Outcome::Overpaid(Amount::parse("5.00", Currency::Usd).expect("an amount")),
    };
    ConflictView {
        conflict,
        devices: Vec::new(),
        credit: None,
        decisions: vec!["handled".to_owned(), "give_back".to_owned()],
        handled: None,
    }
}

fn find_conflict(key: &str) -> Result<ConflictView, Refusal> {
    let found = [conflict(1), conflict(2), conflict(0)].into_iter().find(|one| one.conflict.id.to_string() == key);
    found.ok_or_else(|| Refusal::UnknownConflict { key: key.to_owned() })
}
