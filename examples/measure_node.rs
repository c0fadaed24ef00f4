//! What a node costs over real sockets, disks and HTTP: `cargo run --release --example measure_node [CREDITS]`.
//!
//! Two nodes run in this process over loopback TCP: the head office, which imports a made-up company, and a second
//! device, which joins and receives it. Then: live latency from a grant's request on one to its being readable and
//! durable on the other, and durable grants a second over HTTP with 1 and 64 clients. The figures go into
//! `docs/performance.md`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Africa::Lubumbashi;
use tokio::sync::oneshot;
use ucash::http::{ApiSettings, ApiState, router, serve};
use ucash::ledger::CreditFilter;
use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::{Beneficiary, BeneficiaryKind, Reference, ShopId, SimNumber};
use ucash::money::{Amount, Currency};
use ucash::node::{self, FoundOptions, JoinOptions, NodeHandle, Online, RunOptions};
use ucash::replica::{Answer, Command, Founder, GrantRequest, Query, StatusView};
use ucash::rows::{RowContext, Table, read_row, split};
use ucash::sample::{Size, company};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let credits = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(5_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(credits))
}

async fn measure(credits: u32) -> Result<(), Error> {
    let home = tempfile::tempdir()?;
    let (office_dir, phone_dir) = (home.path().join("office"), home.path().join("phone"));
    let founder = Founder {
        network: "measure".to_owned(),
        time_zone: "Africa/Lubumbashi".to_owned(),
        shop: ShopId(1),
        shop_name: "measure".to_owned(),
        device_name: "office".to_owned(),
    };
    let office = node::run(&office_dir, options()?, Some(FoundOptions { founder })).await?;
    let started = Instant::now();
    let sim = import(&office.node, credits).await?;
    println!("import, {credits} credits: {:.2?}", started.elapsed());

    join(&office, &phone_dir).await?;
    let started = Instant::now();
    let phone = node::run(&phone_dir, options()?, None).await?;
    println!("start to ready, nothing held: {:.2?}", started.elapsed());
    let wanted = status(&office.node).await?.entries;
    let (mut connected, mut polls) = (None, 0_u64);
    loop {
        let now = status(&phone.node).await?;
        polls += 1;
        if connected.is_none() && now.entries > 4 {
            connected = Some(Instant::now());
        }
        // Or more: it notes what it saw, and takes a share.
        if now.entries >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("start to all received, {wanted} entries: {:.2?} ({polls} looks)", started.elapsed());
    same_state(&office, &phone).await?;

    latency(&office.node, &phone.node, &sim).await?;
    let started = Instant::now();
    let report = office.node.sync().await?;
    println!("a check with nothing new: {:.2?}, {} of {} in step", started.elapsed(), report.in_step, report.peers);

    let (office, stop_office) = serve_http(office);
    for clients in [1, 64] {
        storm(office.http, &sim, clients).await?;
    }
    println!("resident memory of both nodes together: {} MB", resident_mb().unwrap_or(0));
    stop_office.send(()).map_err(|()| "the API had stopped")?;
    office.served.await?;
    let (_, rest) = phone.into_parts();
    rest.stop().await;
    Ok(())
}

fn options() -> Result<RunOptions, Error> {
    Ok(RunOptions {
        http: "127.0.0.1:0".parse()?,
        socket: None,
        tls: false,
        public: Vec::new(),
        relay: None,
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
        peers: Vec::new(),
        mdns: false,
        sync_every: Duration::from_secs(30),
        return_after: Duration::from_secs(86_400),
    })
}

async fn status(node: &NodeHandle) -> Result<StatusView, Error> {
    match node.query(Query::Status).await? {
        Answer::Status(status) => Ok(*status),
        _ => Err("no status".into()),
    }
}

async fn import(node: &NodeHandle, credits: u32) -> Result<SimNumber, Error> {
    let company = company(7, Size { shops: 12, sims_per_shop: 2, captures_per_sim: 30, credits });
    let context = RowContext { zone: Lubumbashi, now: node::now() };
    for (name, text) in &company.tables {
        let table = Table::from_word(name).ok_or("no such table")?;
        let rows: Result<Vec<_>, _> = split(text)?.into_iter().map(|row| read_row(table, row, &context)).collect();
        for chunk in rows?.chunks(500) {
            node.command(Command::Import { session: 1, dry_run: false, rows: chunk.to_vec() }, None).await?;
        }
    }
    let Answer::Sims(sims) = node.query(Query::Sims { shop: None }).await? else { return Err("no SIMs".into()) };
    Ok(SimNumber::new(&sims.items.first().ok_or("no SIM")?.sim)?)
}

async fn join(office: &Online, path: &Path) -> Result<(), Error> {
    let invite = Command::Invite {
        shop: None,
        new_shop: None,
        role: Role::Device,
        read: ReadScope::All,
        expires_in_ms: 900_000,
        addresses: office.listen.clone(),
    };
    let Answer::Invitation(view) = office.node.command(invite, None).await? else { return Err("no invitation".into()) };
    let invitation = Invitation::from_text(&view.invitation)?;
    node::join(path, JoinOptions { invitation, peers: Vec::new(), name: "phone".to_owned(), mdns: false }).await?;
    Ok(())
}

async fn same_state(left: &Online, right: &Online) -> Result<(), Error> {
    let digests = [status(&left.node).await?.state_digest, status(&right.node).await?.state_digest];
    if digests[0] == digests[1] { Ok(()) } else { Err("the two nodes show different states".into()) }
}

fn grant(reference: &str, sim: &SimNumber) -> Result<Command, Error> {
    Ok(Command::Grant(GrantRequest {
        reference: Reference::new(reference)?,
        amount: Amount::parse("0.01", Currency::Usd)?,
        sim: sim.clone(),
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: Some("+243810000000".to_owned()),
            address: None,
            kind: BeneficiaryKind::Partner,
            shop: None,
        },
        due_at: None,
        notes: None,
        agent: Some("agent_goma_1".to_owned()),
    }))
}

/// From asking one node to grant, until the other answers with the credit: durable at both.
async fn latency(from: &NodeHandle, to: &NodeHandle, sim: &SimNumber) -> Result<(), Error> {
    let mut taken = Vec::new();
    for index in 0..500 {
        let reference = format!("live-{index}");
        let command = grant(&reference, sim)?;
        let started = Instant::now();
        from.command(command, None).await?;
        let filter = CreditFilter { reference: Some(Reference::new(&reference)?), limit: 1, ..CreditFilter::default() };
        while !matches!(to.query(Query::Credits(filter.clone())).await?, Answer::Credits(page) if page.items.len() == 1)
        {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    println!("live, granted here until readable and durable there: p50 {:.2?}, p99 {:.2?}", taken[250], taken[495]);
    Ok(())
}

struct Served {
    http: SocketAddr,
    served: tokio::task::JoinHandle<()>,
}

fn serve_http(online: Online) -> (Served, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let http = online.http;
    let state = ApiState::new(ApiSettings {
        node: online.node.clone(),
        local_credential: online.credential.clone(),
        bound: Some(http),
        hosts: Vec::new(),
        origins: Vec::new(),
        clock: node::now,
        draw: node::draw,
        addresses: Arc::new(Vec::new),
    });
    let served = tokio::spawn(async move {
        let (listener, rest) = online.into_parts();
        serve(listener, router(state), async {
            let _ = stopped.await;
        })
        .await;
        rest.stop().await;
    });
    (Served { http, served }, stop)
}

/// Clients that grant one after the other over HTTP, each answer durable, for three seconds.
async fn storm(http: SocketAddr, sim: &SimNumber, clients: usize) -> Result<(), Error> {
    let mut threads = Vec::new();
    let end = Instant::now() + Duration::from_secs(3);
    for client in 0..clients {
        let sim = sim.to_string();
        threads.push(tokio::task::spawn_blocking(move || -> Result<Vec<Duration>, Error> {
            let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
            let mut taken = Vec::new();
            while Instant::now() < end {
                let index = taken.len();
                let body = format!(
                    r#"{{"reference": "storm-{clients}-{client}-{index}", "amount": "0.01", "currency": "USD", "sim": "{sim}", "beneficiary": {{"name": "Amani"}}}}"#
                );
                let started = Instant::now();
                let url = format!("http://{http}/api/v1/credits");
                let key = format!("{clients}-{client}-{index}");
                let request = agent.post(&url).header("Idempotency-Key", &key).content_type("application/json");
                request.send(&body)?.body_mut().read_to_string()?;
                taken.push(started.elapsed());
            }
            Ok(taken)
        }));
    }
    let mut taken = Vec::new();
    for thread in threads {
        taken.extend(thread.await??);
    }
    taken.sort_unstable();
    let p99 = taken.get(taken.len() * 99 / 100).copied().unwrap_or_default();
    println!("durable grants over HTTP, {clients} clients: {} a second, p99 {p99:.2?}", taken.len() / 3);
    Ok(())
}

/// What the system says this process holds in memory.
fn resident_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1_024)
}
