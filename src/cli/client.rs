//! The way to the API: the running node of the directory, or the same routes in this process.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::failure::Failure;
use crate::http::{ApiSettings, ApiState, Language, router};
use crate::node::{self, Offline, Running};

/// How long a running node may take: a verification of years of entries is long.
const ANSWER_WAIT: Duration = Duration::from_secs(600);
/// How long to wait for a node to take the connection before it is thought dead.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// How often a request is sent again when its answer was lost; the idempotency key makes that harmless.
const TRIES: u32 = 3;
/// How long to wait for the first sign of life: an engine syncs between answers, and a slow disk takes its time.
const PROBE_WAIT: Duration = Duration::from_secs(10);
/// Longest answer: a page of 1,000 credits is 2 MB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a long answer handed on at once.
const PIECE_BYTES: usize = 64 << 10;

/// Parameters of a query string; those without a value are left out.
pub(super) type Parameters = Vec<(&'static str, Option<String>)>;

/// A way to the API.
pub(super) struct Client {
    way: Way,
    language: Language,
}

enum Way {
    Running { agent: ureq::Agent, node: Running },
    InProcess { router: Router, runtime: tokio::runtime::Runtime, offline: Option<Offline>, credential: String },
}

impl Client {
    /// The running node if one answers, else the store opened for this command.
    pub fn find(data: &Path, language: Language) -> Result<Client, Failure> {
        if let Some(node) = node::running(data).filter(|_| Client::is_running(data, language)) {
            return Ok(Client { way: Way::Running { agent: agent(ANSWER_WAIT), node }, language });
        }
        Client::in_process(data, language)
    }

    /// Whether a node runs on that directory and answers.
    pub fn is_running(data: &Path, language: Language) -> bool {
        node::running(data).is_some_and(|node| {
            let probe = Client { way: Way::Running { agent: agent(PROBE_WAIT), node }, language };
            // A node that was killed leaves its file behind: only one that knows its credential counts.
            probe.get("/api/v1/status").is_ok()
        })
    }

    fn in_process(data: &Path, language: Language) -> Result<Client, Failure> {
        let offline = node::open_offline(data).map_err(|error| Failure::of_node(&error, language))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::system(language, "tokio", error))?;
        let credential = offline.credential.clone();
        let state = ApiState::new(ApiSettings {
            node: offline.node.clone(),
            local_credential: credential.clone(),
            bound: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            clock: node::now,
            draw: node::draw,
            addresses: Arc::new(Vec::new),
        });
        let way = Way::InProcess { router: router(state), runtime, offline: Some(offline), credential };
        Ok(Client { way, language })
    }

    /// Where the original was at work, if the directory was found to be a copy when it was opened for this command.
    pub fn copied_from(&self) -> Option<&Path> {
        match &self.way {
            Way::InProcess { offline, .. } => offline.as_ref().and_then(|offline| offline.copied_from.as_deref()),
            Way::Running { .. } => None,
        }
    }

    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.request("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.request("POST", path, Some(body.to_string()))
    }

    pub fn post_text(&self, path: &str, body: String) -> Result<Value, Failure> {
        self.request("POST", path, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.request("PATCH", path, Some(body.to_string()))
    }

    pub fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.request("DELETE", path, None)
    }

    fn request(&self, method: &str, path: &str, body: Option<String>) -> Result<Value, Failure> {
        let mut key = [0; 16];
        node::draw(&mut key);
        let key = data_encoding::HEXLOWER.encode(&key);
        let (status, text) = match &self.way {
            Way::Running { agent, node } => self.over_http(agent, node, method, path, body, &key)?,
            Way::InProcess { router, runtime, credential, .. } => {
                runtime.block_on(self.in_router(router.clone(), credential, method, path, body, &key))?
            }
        };
        let value: Value = if text.is_empty() { Value::Null } else { self.read(&text)? };
        if (200..300).contains(&status) { Ok(value) } else { Err(Failure::of_problem(&value)) }
    }

    /// Asks for something long and hands it on piece by piece. An answer that was cut off is a failure.
    pub fn download(&self, path: &str, take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::system(self.language, "API", error);
        match &self.way {
            Way::Running { agent, node } => {
                let url = format!("http://{}{path}", node.http);
                let request = self.headers(Request::builder().uri(&url), &node.credential, "", &None);
                let request = request.body(()).map_err(|error| failed(&error))?;
                let mut answer = agent.run(request).map_err(|error| failed(&error))?;
                if !answer.status().is_success() {
                    let text = answer.body_mut().read_to_string().map_err(|error| failed(&error))?;
                    return Err(Failure::of_problem(&self.read(&text)?));
                }
                let mut reader = answer.body_mut().with_config().limit(u64::MAX).reader();
                let mut piece = vec![0; PIECE_BYTES];
                loop {
                    match reader.read(&mut piece).map_err(|error| failed(&error))? {
                        0 => return Ok(()),
                        length => take(&piece[..length])?,
                    }
                }
            }
            Way::InProcess { router, runtime, credential, .. } => runtime.block_on(async {
                let request = self.headers(Request::builder().uri(path), credential, "", &None);
                let near = ConnectInfo(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
                let request = request.extension(near).body(Body::empty()).map_err(|error| failed(&error))?;
                let answer = router.clone().oneshot(request).await.map_err(|error| failed(&error))?;
                let is_good = answer.status().is_success();
                let mut body = answer.into_body();
                if !is_good {
                    let bytes = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
                    return Err(Failure::of_problem(&self.read(&String::from_utf8_lossy(&bytes))?));
                }
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|error| failed(&error))?;
                    if let Some(bytes) = frame.data_ref() {
                        take(bytes)?;
                    }
                }
                Ok(())
            }),
        }
    }

    fn read(&self, text: &str) -> Result<Value, Failure> {
        serde_json::from_str(text).map_err(|error| Failure::system(self.language, "JSON", error))
    }

    fn over_http(
        &self,
        agent: &ureq::Agent,
        node: &Running,
        method: &str,
        path: &str,
        body: Option<String>,
        key: &str,
    ) -> Result<(u16, String), Failure> {
        let url = format!("http://{}{path}", node.http);
        let mut last = String::new();
        for _ in 0..TRIES {
            let request = self.headers(Request::builder().method(method).uri(&url), &node.credential, key, &body);
            let answer = match &body {
                Some(body) => request
                    .body(body.clone())
                    .map_err(|error| error.to_string())
                    .and_then(|request| agent.run(request).map_err(|error| error.to_string())),
                None => request
                    .body(())
                    .map_err(|error| error.to_string())
                    .and_then(|request| agent.run(request).map_err(|error| error.to_string())),
            };
            match answer {
                Ok(mut answer) => {
                    let status = answer.status().as_u16();
                    match answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string() {
                        Ok(text) => return Ok((status, text)),
                        Err(error) => last = error.to_string(),
                    }
                }
                Err(error) => last = error,
            }
        }
        let (node, writes) = (&node.http, method != "GET");
        let message = match (self.language, writes) {
            (Language::French, false) => format!(
                "Le nœud de ce répertoire ({node}) ne répond pas : {last}. Vérifiez qu'il tourne, puis recommencez."
            ),
            (Language::English, false) => format!(
                "The node of this directory ({node}) does not answer: {last}. Check that it runs, then try again."
            ),
            (Language::French, true) => format!(
                "Le nœud de ce répertoire ({node}) n'a pas répondu : {last}. On ne sait pas si c'est fait. Avant de recommencer, regardez (credit show, sim movements) ; recommencer à l'aveugle pourrait le faire deux fois."
            ),
            (Language::English, true) => format!(
                "The node of this directory ({node}) did not answer: {last}. Whether it was done is not known. Look before you try again (credit show, sim movements): trying blindly could do it twice."
            ),
        };
        Err(Failure::new("node_unreachable", message))
    }

    async fn in_router(
        &self,
        router: Router,
        credential: &str,
        method: &str,
        path: &str,
        body: Option<String>,
        key: &str,
    ) -> Result<(u16, String), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::system(self.language, "API", error);
        let request = self.headers(Request::builder().method(method).uri(path), credential, key, &body);
        let request = request
            .extension(ConnectInfo(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)))
            .body(Body::from(body.unwrap_or_default()))
            .map_err(|error| failed(&error))?;
        let answer = router.oneshot(request).await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn headers(
        &self,
        request: axum::http::request::Builder,
        credential: &str,
        key: &str,
        body: &Option<String>,
    ) -> axum::http::request::Builder {
        let language = if self.language == Language::French { "fr" } else { "en" };
        let request = request
            .header(header::AUTHORIZATION, format!("Bearer {credential}"))
            .header(header::ACCEPT_LANGUAGE, language)
            .header(header::HOST, "localhost");
        match body {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json").header("Idempotency-Key", key),
            None => request,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Way::InProcess { router, offline, .. } = &mut self.way {
            *router = Router::new();
            if let Some(offline) = offline.take() {
                offline.close();
            }
        }
    }
}

fn agent(wait: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    let config = config.http_status_as_error(false).timeout_connect(Some(CONNECT_WAIT)).timeout_global(Some(wait));
    config.proxy(None).build().into()
}

/// A path with its segments and query percent-encoded where they need it (RFC 3986).
pub(super) fn path(segments: &[&str], query: &[(&str, Option<String>)]) -> String {
    let mut path = String::from("/api/v1");
    for segment in segments {
        path.push('/');
        path.push_str(&encode(segment));
    }
    let mut separator = '?';
    for (name, value) in query {
        if let Some(value) = value {
            path.push(separator);
            path.push_str(&format!("{name}={}", encode(value)));
            separator = '&';
        }
    }
    path
}

fn encode(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
