//! One relay under a company: `cargo build --release`, then
//! `cargo run --release --example relay_load [DEVICES] [SHOPS] [MINUTES] [PROCESSES]`.
//!
//! The real program runs as `ucash relay`. The devices are real nodes too, each with its engine, its store on disk and its
//! network, in processes of their own; each reads its own shop only and knows no address but the relay's, as behind a
//! router. Every device does five operations a minute. Printed: how long from the acknowledgement of an operation at its
//! device until it can be read, durably, at each other device of its shop; what the relay holds in memory as time goes
//! by; and what it did meanwhile. The figures go into `docs/performance.md`.

mod company;
mod crowd;
mod figures;
#[path = "../shared/nodes.rs"]
mod nodes;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use company::Plan;
use figures::{Usage, counters, quantiles};
use nodes::Error;

/// How long is waited at most for the devices to find the relay, and at the end for what is still on its way.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [role, home, process, relay, plan @ ..] = &words[..]
        && role == "crowd"
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        return runtime.block_on(crowd::run(Path::new(home), process.parse()?, relay, Plan::read(plan)?));
    }
    let plan = Plan::read(&words)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            ended = measure(plan) => ended,
            _ = tokio::signal::ctrl_c() => Err("stopped; nothing is left behind".into()),
        }
    })
}

/// A process that ends with this one, and what it says.
struct Process {
    child: Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Process, Error> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no way to hear it")?;
        let (say, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Process { child, said })
    }

    async fn hear(&mut self) -> Result<String, Error> {
        let said = tokio::time::timeout(PATIENCE, self.said.recv()).await;
        Ok(said.map_err(|_| "a process says nothing")?.ok_or("a process has ended before its time")?)
    }

    fn tell(&mut self, line: &str) -> Result<(), Error> {
        let stdin = self.child.stdin.as_mut().ok_or("no way to tell it")?;
        Ok(writeln!(stdin, "{line}")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program beside this example.
fn program() -> Result<PathBuf, Error> {
    let example = std::env::current_exe()?;
    let program = example.ancestors().nth(2).map(|directory| directory.join("ucash"));
    program.filter(|path| path.exists()).ok_or_else(|| "the program is not built: `cargo build --release` first".into())
}

/// Starts the relay, and answers what it says when it is ready.
async fn start_relay(command: &mut Command) -> Result<(Process, serde_json::Value), Error> {
    let mut relay = Process::start(command)?;
    let ready = serde_json::from_str(&relay.hear().await?)?;
    Ok((relay, ready))
}

fn bar(length: u64, what: &'static str) -> Result<ProgressBar, Error> {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {eta}")?;
    Ok(ProgressBar::new(length).with_style(style).with_message(what))
}

async fn measure(plan: Plan) -> Result<(), Error> {
    let home = tempfile::tempdir()?;
    let begun = Instant::now();
    let office = company::found(home.path(), plan).await?;
    println!("{plan}: joined one after the other in {:.1?}", begun.elapsed());

    // A port that is free now; it is to be the same when the relay starts anew.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    let mut command = Command::new(program()?);
    command.args(["--json", "--data"]).arg(company::relay_home(home.path())).env("UCASH_LOG", "warn");
    command.args(["relay", "--no-mdns", "--http", "127.0.0.1:0", "--listen"]).arg(&listen);
    command.arg("--peer").arg(office.listen.first().ok_or("the office listens nowhere")?);
    let (relay, ready) = start_relay(&mut command).await?;
    let http = ready["http"].as_str().ok_or("no address of its page")?.to_owned();
    let address = ready["listen"][0].as_str().ok_or("no address for devices")?.to_owned();
    company::hand_over(&office).await?;
    office.into_parts().1.stop().await;
    println!(
        "the relay holds what the office held, {} MB; the office is closed",
        Usage::of(relay.child.id())?.resident_mb()
    );

    let begun = Instant::now();
    let mut crowds = Vec::new();
    for process in 0..plan.processes {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("crowd").arg(home.path()).arg(process.to_string()).arg(&address).args(plan.words());
        crowds.push(Process::start(&mut command)?);
    }
    for crowd in &mut crowds {
        while crowd.hear().await? != "ready" {}
    }
    println!("every device is connected and shows its shop's credits: {:.1?} after the first start", begun.elapsed());

    let usages =
        |crowds: &[Process]| crowds.iter().map(|crowd| Usage::of(crowd.child.id())).collect::<Result<Vec<_>, _>>();
    let (relay_before, crowds_before) = (Usage::of(relay.child.id())?, usages(&crowds)?);
    let before = counters(&http)?;
    for crowd in &mut crowds {
        crowd.tell("go")?;
    }
    let begun = Instant::now();
    let progress = bar(plan.minutes * 60, "the load")?;
    let mut memory = Vec::new();
    while begun.elapsed() < Duration::from_secs(plan.minutes * 60) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        progress.set_position(begun.elapsed().as_secs());
        memory.push((begun.elapsed(), Usage::of(relay.child.id())?.resident_mb()));
    }
    progress.finish_and_clear();
    let lasted = begun.elapsed();
    let (relay_after, crowds_after) = (Usage::of(relay.child.id())?, usages(&crowds)?);
    let after = counters(&http)?;
    let mut observed = Vec::new();
    for crowd in &mut crowds {
        loop {
            let line = crowd.hear().await?;
            if line == "done" {
                break;
            }
            observed.push(line);
        }
    }

    drop((crowds, relay));
    let (relay, _) = start_relay(&mut command).await?;

    tell_memory(&memory);
    println!(
        "  started anew with what it holds now, no device connected: {} MB",
        Usage::of(relay.child.id())?.resident_mb()
    );
    println!("cores busy: the relay {:.2}", relay_after.cores_since(&relay_before, lasted));
    for (number, (before, after)) in crowds_before.iter().zip(&crowds_after).enumerate() {
        println!("  devices, process {number}: {:.2}, {} MB", after.cores_since(before, lasted), after.resident_mb());
    }
    tell_latencies(&observed)?;
    println!("what the relay counted during the load:");
    for (name, value) in &after {
        let more = value - before.get(name).unwrap_or(&0.0);
        if more > 0.0 {
            println!("  {name} {more}");
        }
    }
    Ok(())
}

fn tell_memory(memory: &[(Duration, u64)]) {
    println!("the relay's resident memory:");
    for (after, megabytes) in memory.iter().step_by(60).chain(memory.last()) {
        println!("  after {:>4} s: {megabytes} MB", after.as_secs());
    }
    println!("  most: {} MB", memory.iter().map(|(_, megabytes)| *megabytes).max().unwrap_or(0));
}

/// Matches what was written with what was seen.
fn tell_latencies(observed: &[String]) -> Result<(), Error> {
    let mut written = BTreeMap::new();
    let mut seen = Vec::new();
    for line in observed {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["wrote", what, asked, acknowledged] => {
                written.insert(what, (asked.parse::<i64>()?, acknowledged.parse::<i64>()?));
            }
            ["saw", what, at] => seen.push((what, at.parse::<i64>()?)),
            ["missed", device, count] => println!("NOT FORWARDED: device {device} lacks {count} operations"),
            _ => return Err(format!("a line of a crowd that says nothing: {line}").into()),
        }
    }
    let own = written.values().map(|(asked, acknowledged)| acknowledged - asked).collect();
    let forwarded: Vec<i64> =
        seen.iter().filter_map(|(what, at)| written.get(what).map(|(_, acknowledged)| at - acknowledged)).collect();
    let all = seen.iter().filter_map(|(what, at)| written.get(what).map(|(asked, _)| at - asked)).collect();
    println!("{} operations, seen {} times at other devices (microseconds):", written.len(), forwarded.len());
    println!("  asked until durable at its own device:    {}", quantiles(own));
    println!("  from there until readable at another one: {}", quantiles(forwarded));
    println!("  both together:                            {}", quantiles(all));
    Ok(())
}
