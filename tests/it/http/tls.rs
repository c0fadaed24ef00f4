//! HTTPS over real sockets: certificates replaced while connections go on, bad ones not taken, handshakes bounded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use ucash::http::{Door, Reload, Times, Tls, TlsError, router, serve_within};

use super::fake::Node;
use crate::https::{Pair, Secure, over_tls};

/// Two files with a pair in them.
struct Kept {
    home: TempDir,
}

impl Kept {
    fn of(pair: &Pair) -> Kept {
        let kept = Kept { home: TempDir::new().expect("a directory") };
        kept.put(pair);
        kept
    }

    fn put(&self, pair: &Pair) {
        std::fs::write(self.certificate(), &pair.certificate).expect("written");
        std::fs::write(self.key(), &pair.key).expect("written");
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.home.path().join("cert.pem")
    }

    fn key(&self) -> std::path::PathBuf {
        self.home.path().join("key.pem")
    }

    fn open(&self) -> Result<Tls, TlsError> {
        Tls::open(&self.certificate(), &self.key())
    }
}

async fn served(tls: &Arc<Tls>, times: Times) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let door = Door { times, tls: Some(Arc::clone(tls)), ..Door::default() };
    tokio::spawn(serve_within(listener, router(Node::start().state.clone()), door, std::future::pending()));
    address
}

const STATUS: &str = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n";

/// One request on a connection that stays open: the answer's first line.
fn first_line(stream: &mut Secure) -> String {
    stream.write_all(format!("{STATUS}\r\n").as_bytes()).expect("written");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("UTF-8");
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body).expect("a body");
    head.lines().next().expect("a line").to_owned()
}

fn is_served(address: SocketAddr, pair: &Pair) -> bool {
    over_tls(address, pair, &format!("{STATUS}Connection: close\r\n\r\n"))
        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

#[tokio::test]
async fn a_new_certificate_is_served_while_old_connections_go_on() {
    let (old, new) = (Pair::make(), Pair::make());
    let files = Kept::of(&old);
    let tls = Arc::new(files.open().expect("a good pair"));
    let address = served(&tls, Times::default()).await;
    spawn_blocking(move || {
        let mut before = Secure::connect(address, &old).expect("a connection");
        assert_eq!(first_line(&mut before), "HTTP/1.1 200 OK");
        assert!(!is_served(address, &new), "the other certificate is not served yet");
        assert!(matches!(tls.reload(), Reload::Same), "nothing changed");
        files.put(&new);
        assert!(matches!(tls.reload(), Reload::Replaced));
        assert!(is_served(address, &new) && !is_served(address, &old));
        assert_eq!(first_line(&mut before), "HTTP/1.1 200 OK", "an old connection goes on");
        // Plain HTTP gets nothing there.
        let mut plain = TcpStream::connect(address).expect("a connection");
        plain.write_all(format!("{STATUS}Connection: close\r\n\r\n").as_bytes()).expect("written");
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    })
    .await
    .expect("no panic");
}

#[tokio::test]
async fn a_bad_pair_is_told_once_and_the_one_before_is_served_on() {
    let (good, other, third) = (Pair::make(), Pair::make(), Pair::make());
    let files = Kept::of(&good);
    let tls = Arc::new(files.open().expect("a good pair"));
    let address = served(&tls, Times::default()).await;
    let put = |path: &Path, text: &str| std::fs::write(path, text).expect("written");
    spawn_blocking(move || {
        let kept = |what: &str, expected: fn(&TlsError) -> bool| {
            match tls.reload() {
                Reload::Kept(error) => assert!(expected(&error), "{what}: {error:?}"),
                wrong => panic!("{what}: {wrong:?}"),
            }
            assert!(matches!(tls.reload(), Reload::Same), "{what} is told once");
            assert!(is_served(address, &good), "{what}");
        };
        put(&files.certificate(), &other.certificate);
        kept("half of a new pair", |error| matches!(error, TlsError::OtherKey { .. }));
        put(&files.certificate(), "no certificate");
        kept("no certificate", |error| matches!(error, TlsError::NoCertificate { .. }));
        put(&files.certificate(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        kept("a broken certificate", |error| matches!(error, TlsError::Unfit(_)));
        put(&files.certificate(), &good.certificate);
        put(&files.key(), &good.certificate);
        kept("no key", |error| matches!(error, TlsError::NoKey { .. }));
        put(&files.key(), &"x".repeat(2 << 20));
        kept("a file without end", |error| matches!(error, TlsError::Unreadable { .. }));
        std::fs::remove_file(files.key()).expect("removed");
        kept("a file that is gone", |error| matches!(error, TlsError::Unreadable { .. }));
        files.put(&third);
        assert!(matches!(tls.reload(), Reload::Replaced));
        assert!(is_served(address, &third));
    })
    .await
    .expect("no panic");
}

#[tokio::test]
async fn who_does_not_agree_on_tls_is_cut_and_keeps_no_node_from_ending() {
    let pair = Pair::make();
    let tls = Arc::new(Kept::of(&pair).open().expect("a good pair"));
    let soon = Times { handshake: Duration::from_millis(100), ..Times::default() };
    let address = served(&tls, soon).await;
    let silent = spawn_blocking(move || {
        let mut silent = TcpStream::connect(address).expect("a connection");
        // The beginning of a handshake record, and no more.
        silent.write_all(&[22, 3, 1, 2]).expect("written");
        let mut answer = Vec::new();
        let _ = silent.read_to_end(&mut answer);
        answer
    });
    assert!(!silent.await.expect("no panic").starts_with(b"HTTP"));

    let hour = Duration::from_secs(3_600);
    let times = Times { handshake: hour, shutdown: hour, ..Times::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let door = Door { times, tls: Some(tls), ..Door::default() };
    let serving = tokio::spawn(serve_within(listener, router(Node::start().state.clone()), door, async {
        let _ = stopped.await;
    }));
    let silent = spawn_blocking(move || {
        let silent = TcpStream::connect(address).expect("a connection");
        // They are taken in their order: once this one is answered, the silent one waits inside.
        assert!(is_served(address, &pair));
        silent
    });
    let silent = silent.await.expect("no panic");
    stop.send(()).expect("still serving");
    serving.await.expect("it would wait for an hour");
    drop(silent);
}
