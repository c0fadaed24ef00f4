//! Real processes of the real program: a [`Shop`] is one device, its directory, and perhaps its running node.
//!
//! Nothing here sleeps for luck: [`eventually`] asks the node again and again until what it reports is so. When a
//! test fails, the logs of its nodes are printed; whatever was started is killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The end of every wait.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(40);
/// Any free port.
pub const ANY_HTTP: &str = "127.0.0.1:0";
/// Any free port.
pub const ANY_LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

/// Asks until the answer is yes; what was seen last is told where it never is.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) if Instant::now() > end => panic!("waited in vain for {what}; last seen: {seen}"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// `Ok` if they are equal, else both of them: for [`eventually`].
pub fn same<T: PartialEq + std::fmt::Debug>(left: T, right: T) -> Result<(), String> {
    if left == right { Ok(()) } else { Err(format!("{left:?} is not {right:?}")) }
}

/// The end of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What it answered on stdout.
    #[track_caller]
    pub fn answer(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON answer ({error}): {self:?}"))
    }

    /// The reason it gave on stderr: its last line there.
    #[track_caller]
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON reason ({error}): {self:?}"));
        value["error"].clone()
    }
}

/// The program with those words, in an environment that says nothing to it.
fn program(words: &[&str]) -> Command {
    program_at(&[], words)
}

/// The same on another host, behind the words that lead there.
fn program_at(way: &[String], words: &[&str]) -> Command {
    let ucash = env!("CARGO_BIN_EXE_ucash");
    let mut command = match way.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(ucash);
            command
        }
        None => Command::new(ucash),
    };
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("UCASH_") || ours.starts_with("LC_") || ours == "LANG" || ours == "LANGUAGE" {
            command.env_remove(&name);
        }
    }
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
#[track_caller]
pub fn ucash(words: &[&str]) -> Ran {
    ucash_in(words, &[])
}

/// Runs the program to its end, in an environment with those variables too.
#[track_caller]
pub fn ucash_in(words: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = program(words);
    command.envs(environment.iter().copied());
    ended(command, words)
}

/// Runs the program to its end with that on its standard input.
#[track_caller]
pub fn ucash_told(words: &[&str], input: &str) -> Ran {
    // From a file: a program that reads no further leaves nobody writing into a pipe.
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("written");
    let mut command = program(words);
    command.stdin(file);
    ended(command, words)
}

#[track_caller]
fn ended(mut command: Command, words: &[&str]) -> Ran {
    let mut child = command.spawn().expect("the program starts");
    let stdout = read_all(child.stdout.take().expect("piped"));
    let stderr = read_all(child.stderr.take().expect("piped"));
    let Some(status) = wait(&mut child, 2 * PATIENCE) else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("ucash {words:?} came to no end; stderr: {}", stderr.join().unwrap_or_default());
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("the reader ends");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn read_all(mut source: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        match child.try_wait().expect("the process can be asked") {
            Some(status) => return Some(status),
            None if Instant::now() > end => return None,
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    /// Whether it says that what it shows may not be durable.
    pub undurable: bool,
    pub text: String,
}

impl Answer {
    /// Its body.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The code of a problem document.
    #[track_caller]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Where a node is asked over HTTP. It outlives the node: asking then fails.
#[derive(Clone)]
pub struct Face {
    agent: ureq::Agent,
    http: String,
}

impl Face {
    fn new(http: &str) -> Face {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build();
        Face { agent: config.into(), http: http.to_owned() }
    }

    /// One request; no answer is an error.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        self.sent(method, path, headers, body.map(Value::to_string))
    }

    /// One request with a body as it is written.
    pub fn request_text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        self.sent(method, path, headers, Some(body.to_owned()))
    }

    fn sent(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.http));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json").body(body);
                self.agent.run(request.expect("a well-formed request"))
            }
            None => self.agent.run(request.body(()).expect("a well-formed request")),
        };
        let mut answer = sent.map_err(|error| error.to_string())?;
        let location = answer.headers().get("Location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let undurable = answer.headers().get("Ucash-Durable").is_some_and(|value| value == "no");
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let text = text.map_err(|error| error.to_string())?;
        Ok(Answer { status: answer.status().as_u16(), location, undurable, text })
    }

    /// What stands there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, &[], None).unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.json()
    }

    /// A POST under an idempotency key.
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer, String> {
        self.request("POST", path, &[("Idempotency-Key", key)], Some(body))
    }
}

struct Node {
    child: Child,
    face: Face,
    ready: Value,
}

/// One device: its directory, and its node while that runs.
pub struct Shop {
    name: String,
    directory: PathBuf,
    /// The words that lead to its host; none for this one.
    way: Vec<String>,
    /// What its programs find in their environment.
    environment: Vec<(String, String)>,
    node: Option<Node>,
    home: TempDir,
}

impl Shop {
    /// A directory that does not exist yet.
    pub fn empty(name: &str) -> Shop {
        let home = TempDir::new().expect("a temporary directory");
        Shop {
            name: name.to_owned(),
            directory: home.path().join("data"),
            way: Vec::new(),
            environment: Vec::new(),
            node: None,
            home,
        }
    }

    /// From now on its programs run on another host: behind these words, and asked by commands only.
    pub fn stand_at(&mut self, way: Vec<String>) {
        assert!(self.node.is_none(), "{} runs where it is", self.name);
        self.way = way;
    }

    /// From now on its programs find this in their environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Founds a network; this device is its head office and stands in that shop.
    #[track_caller]
    pub fn found(name: &str, network: &str, shop: u32) -> Shop {
        Shop::empty(name).founded(network, shop)
    }

    /// The same, in that directory.
    #[track_caller]
    pub fn found_in(name: &str, network: &str, shop: u32, directory: &Path) -> Shop {
        let mut founded = Shop::empty(name);
        directory.clone_into(&mut founded.directory);
        founded.founded(network, shop)
    }

    #[track_caller]
    pub fn founded(self, network: &str, shop: u32) -> Shop {
        let number = shop.to_string();
        self.ok(&["init", "--network", network, "--shop", "Siège", "--shop-id", &number, "--device", &self.name]);
        self
    }

    /// A new device of that shop, admitted by `inviter`, whose node runs.
    #[track_caller]
    pub fn join(name: &str, inviter: &Shop, shop: u32) -> Shop {
        let invitation = inviter.invite(shop);
        Shop::accept(name, &invitation, shop)
    }

    /// A new device of another kind, or that reads otherwise, admitted by `inviter`, whose node runs.
    #[track_caller]
    pub fn join_as(name: &str, inviter: &Shop, shop: u32, words: &[&str]) -> Shop {
        let number = shop.to_string();
        let invitation = inviter.ok(&[&["invite", "--shop", &number], words].concat());
        Shop::accept(name, invitation["invitation"].as_str().expect("an invitation"), shop)
    }

    #[track_caller]
    fn accept(name: &str, invitation: &str, shop: u32) -> Shop {
        Shop::empty(name).accepted(invitation, shop)
    }

    /// The device of this directory joins by that invitation.
    #[track_caller]
    pub fn accepted(self, invitation: &str, shop: u32) -> Shop {
        let status = self.ok(&["join", invitation, "--device", &self.name]);
        assert_eq!(status["shop_id"], shop, "{} stands in the shop it was invited to", self.name);
        self
    }

    /// An invitation for that shop.
    #[track_caller]
    pub fn invite(&self, shop: u32) -> String {
        let invitation = self.ok(&["invite", "--shop", &shop.to_string()]);
        invitation["invitation"].as_str().expect("an invitation").to_owned()
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of its own beside the directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes such a file.
    pub fn write_beside(&self, name: &str, content: &str) -> String {
        let path = self.beside(name);
        std::fs::write(&path, content).expect("the file is written");
        path.to_str().expect("a path in Unicode").to_owned()
    }

    fn data(&self) -> &str {
        self.directory.to_str().expect("a path in Unicode")
    }

    /// Runs a command on its directory, with `--json`.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Ran {
        self.run_in(words, &[])
    }

    /// The same, in an environment with those variables too.
    #[track_caller]
    pub fn run_in(&self, words: &[&str], environment: &[(&str, &str)]) -> Ran {
        let words = [&["--data", self.data(), "--json"], words].concat();
        let mut command = program_at(&self.way, &words);
        command.envs(self.environment.iter().cloned()).envs(environment.iter().copied());
        ended(command, &words)
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> Value {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{}: ucash {words:?} failed: {}", self.name, ran.stderr);
        if ran.stdout.trim().is_empty() { Value::Null } else { ran.answer() }
    }

    /// Starts its node on free ports and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self, words: &[&str]) -> &mut Shop {
        self.start_at(ANY_HTTP, ANY_LISTEN, words)
    }

    /// Starts its node and waits until it is ready.
    #[track_caller]
    pub fn start_at(&mut self, http: &str, listen: &str, words: &[&str]) -> &mut Shop {
        self.start_with("start", http, listen, words, &[])
    }

    /// Starts it as a relay and waits until it is ready.
    #[track_caller]
    pub fn relay(&mut self, words: &[&str]) -> &mut Shop {
        self.start_with("relay", ANY_HTTP, ANY_LISTEN, words, &[])
    }

    /// Starts its node in an environment with those variables too.
    #[track_caller]
    pub fn start_in(&mut self, words: &[&str], environment: &[(&str, String)]) -> &mut Shop {
        self.start_with("start", ANY_HTTP, ANY_LISTEN, words, environment)
    }

    fn start_with(
        &mut self,
        command: &str,
        http: &str,
        listen: &str,
        words: &[&str],
        environment: &[(&str, String)],
    ) -> &mut Shop {
        let start = [command, "--http", http, "--listen", listen, "--no-mdns"];
        self.start_as(&[&start[..], words].concat(), environment)
    }

    /// Starts its node by these words and no others, and waits until it is ready.
    #[track_caller]
    pub fn start_as(&mut self, words: &[&str], environment: &[(&str, String)]) -> &mut Shop {
        assert!(self.node.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.beside("log")).expect("the log opens");
        let mut command = program_at(&self.way, &[&["--data", self.data(), "--json"], words].concat());
        command.envs(self.environment.iter().cloned()).envs(environment.iter().map(|(name, value)| (*name, value)));
        let mut child = command.stderr(log).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("piped");
        let (line, ready) = mpsc::channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut first = String::new();
            let _ = stdout.read_line(&mut first);
            let _ = line.send(first);
            // Read on, so that the node never writes to a pipe that is full or closed.
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        let first = ready.recv_timeout(PATIENCE).unwrap_or_default();
        let ready: Value = serde_json::from_str(&first).unwrap_or_default();
        // From here on, dropping the shop ends the process, whatever the line was.
        let face = Face::new(ready["http"].as_str().unwrap_or_default());
        self.node = Some(Node { child, face, ready: ready.clone() });
        assert_eq!(ready["event"], "ready", "{}: no ready line but {first:?}", self.name);
        self
    }

    #[track_caller]
    fn node(&self) -> &Node {
        self.node.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// What its ready line said.
    pub fn ready(&self) -> &Value {
        &self.node().ready
    }

    /// Where its API is.
    pub fn http(&self) -> String {
        self.ready()["http"].as_str().expect("an address").to_owned()
    }

    /// Its first multiaddr.
    pub fn address(&self) -> String {
        self.ready()["listen"][0].as_str().expect("an address").to_owned()
    }

    /// Its multiaddr without the peer id: what `--listen` takes.
    pub fn listen(&self) -> String {
        let address = self.address();
        address.split("/p2p/").next().unwrap_or(&address).to_owned()
    }

    /// The way to its API.
    pub fn face(&self) -> &Face {
        &self.node().face
    }

    /// What stands there in its API.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.face().get(path)
    }

    /// Its status: over HTTP while its node runs, else by the command.
    #[track_caller]
    pub fn status(&self) -> Value {
        if self.node.is_some() && self.way.is_empty() { self.get("/api/v1/status") } else { self.ok(&["status"]) }
    }

    /// Its state digest.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.status()["state_digest"].as_str().expect("a digest").to_owned()
    }

    /// How many entries it holds.
    #[track_caller]
    pub fn entries(&self) -> u64 {
        self.status()["entries"].as_u64().expect("a number")
    }

    /// A credit by its reference, if it knows it.
    pub fn credit(&self, reference: &str) -> Result<Value, String> {
        if !self.way.is_empty() {
            let ran = self.run(&["credit", "show", reference]);
            return if ran.code == Some(0) { Ok(ran.answer()) } else { Err(ran.stderr) };
        }
        let answer = self.face().request("GET", &format!("/api/v1/credits/{reference}"), &[], None)?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{reference}: {}", answer.text)) }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.node().child.id()
    }

    /// Stops its node as `systemctl stop` does, and says how it ended.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        let mut node = self.node.take().unwrap_or_else(|| panic!("{} does not run", self.name));
        // No crate for one signal: a shell has `kill` built in.
        let script = format!("kill -TERM {}", node.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().is_ok_and(|sent| sent.success()), "TERM was sent");
        let ended = wait(&mut node.child, PATIENCE);
        ended.unwrap_or_else(|| {
            let _ = node.child.kill();
            panic!("{} did not stop when told; its log:\n{}", self.name, self.log())
        })
    }

    /// Kills its node, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }

    /// What its nodes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.beside("log")).unwrap_or_default()
    }

    /// Fails unless every signature, chain and balance is right.
    #[track_caller]
    pub fn assert_sound(&self) {
        let found = self.ok(&["verify"]);
        assert_eq!(found["sound"], true, "{}: {found}", self.name);
        assert_eq!(found["faults"], json!([]), "{}: {found}", self.name);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- the log of {} ({} lines) ---\n{}", self.name, lines.len(), last.join("\n"));
        }
    }
}

/// Waits until all show one state digest, and gives it.
#[track_caller]
pub fn one_digest(shops: &[&Shop]) -> String {
    eventually("one state digest", || {
        let digests: Vec<String> = shops.iter().map(|shop| shop.digest()).collect();
        match digests.iter().all(|digest| *digest == digests[0]) {
            true => Ok(digests[0].clone()),
            false => Err(format!("{digests:?}")),
        }
    })
}
