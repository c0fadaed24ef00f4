//! The face over real loopback sockets: served, bounded, ended. The client is a plain blocking one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use ucash::http::limits::CONNECTIONS_OF_ONE_MAX;
use ucash::http::{Crowd, Door, Times, router, serve, serve_within};

use super::fake::Node;
use crate::process::eventually;

fn ask(address: SocketAddr, head: &str) -> String {
    format!("GET /api/v1/status HTTP/1.1\r\nHost: {address}\r\n{head}\r\n")
}

fn talk(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = Vec::new();
    // A request that is refused unread may end in a reset after the answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

#[tokio::test]
async fn a_served_face_answers_and_ends() {
    let node = Node::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, router(node.state.clone()), async {
        let _ = stopped.await;
    }));
    let idle = spawn_blocking(move || {
        let near = talk(address, &ask(address, "Connection: close\r\n"));
        assert!(near.starts_with("HTTP/1.1 200 "), "{near}");
        let forwarded = talk(address, &ask(address, "Connection: close\r\nX-Forwarded-For: 10.0.0.1\r\n"));
        assert!(forwarded.starts_with("HTTP/1.1 401 "), "{forwarded}");
        let huge = talk(address, &ask(address, &format!("X: {}\r\n", "x".repeat(60_000))));
        assert!(!huge.starts_with("HTTP/1.1 200 "), "{huge}");
        // One that stays open and idle must not keep the face from ending.
        let mut idle = TcpStream::connect(address).expect("a connection");
        idle.write_all(ask(address, "").as_bytes()).expect("written");
        let mut first = [0; 12];
        idle.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        idle
    });
    let idle = idle.await.expect("no panic");
    stop.send(()).expect("still serving");
    serving.await.expect("no panic");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    drop(idle);
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let node = Node::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(listener, router(node.state.clone()), std::future::pending()));
    let answer = spawn_blocking(move || talk(address, "GET / HTTP/1.1\r\nHos")).await.expect("no panic");
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A face with other times, at an address of its own.
async fn served(router: Router, times: Times) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve_within(listener, router, Door { times, ..Door::default() }, std::future::pending()));
    address
}

/// Longer than any test runs: what does not hold by this time alone hangs.
const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(100);
const TIMES: Times = Times {
    handshake: NEVER,
    head: NEVER,
    body: NEVER,
    write: NEVER,
    request: NEVER,
    long_request: NEVER,
    heartbeat: NEVER,
    shutdown: NEVER,
};

fn post(address: SocketAddr, head: &str, body: &str) -> String {
    format!("POST /api/v1/shops HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{head}\r\n{body}")
}

#[tokio::test]
async fn a_connection_that_is_kept_open_and_idle_is_closed() {
    let address = served(router(Node::start().state.clone()), Times { head: SOON, ..TIMES }).await;
    let answer = spawn_blocking(move || talk(address, &ask(address, ""))).await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_stands_still_is_ended() {
    let half = |address| post(address, "Content-Length: 100\r\n", "{\"name\":");
    let address = served(router(Node::start().state.clone()), Times { body: SOON, ..TIMES }).await;
    let answer = spawn_blocking(move || talk(address, &half(address))).await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("body_unreadable"), "{answer}");
    let address = served(router(Node::start().state.clone()), Times { request: SOON, ..TIMES }).await;
    let answer = spawn_blocking(move || talk(address, &half(address))).await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("timed_out"), "{answer}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut() {
    /// Tells when the answer is no longer held.
    struct Held(Option<oneshot::Sender<()>>);
    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.take().expect("once").send(());
        }
    }
    let (dropped, cut) = oneshot::channel();
    let answer = Arc::new(Mutex::new(Some(Held(Some(dropped)))));
    let handler = move || {
        let held = answer.lock().expect("unpoisoned").take();
        // Without end: no buffer of any system takes it whole.
        let endless = futures::stream::unfold(held, async |held| {
            Some((Ok::<_, std::io::Error>(axum::body::Bytes::from(vec![b'x'; 64 << 10])), held))
        });
        std::future::ready(axum::body::Body::from_stream(endless))
    };
    let address = served(Router::new().route("/", get(handler)), Times { write: SOON, ..TIMES }).await;
    let stream = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
        stream
    });
    let stream = stream.await.expect("no panic");
    cut.await.expect("the answer is let go of");
    drop(stream);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_others_are_served() {
    let address = served(router(Node::start().state.clone()), TIMES).await;
    spawn_blocking(move || {
        let head = talk(address, &ask(address, &format!("X: {}\r\n", "x".repeat(64 << 10))));
        assert!(!head.starts_with("HTTP/1.1 200 "), "{head}");
        // A body without end, in pieces: it is refused at its bound, and the connection with it.
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(post(address, "Transfer-Encoding: chunked\r\n", "").as_bytes()).expect("written");
        let mut reader = stream.try_clone().expect("a second handle");
        let answer = std::thread::spawn(move || {
            let mut first = [0; 12];
            reader.read_exact(&mut first).map(|()| first)
        });
        let piece = format!("1000\r\n{}\r\n", " ".repeat(4_096));
        while stream.write_all(piece.as_bytes()).is_ok() && !answer.is_finished() {}
        assert_eq!(&answer.join().expect("no panic").expect("an answer"), b"HTTP/1.1 413");
        // Many requests at once on one connection are answered in their order.
        let many = ask(address, "").repeat(49) + &ask(address, "Connection: close\r\n");
        assert_eq!(talk(address, &many).matches("HTTP/1.1 200 ").count(), 50);
    })
    .await
    .expect("no panic");
}

#[tokio::test]
async fn a_thousand_who_say_nothing_keep_nobody_out() {
    let address = served(router(Node::start().state.clone()), Times { head: SOON, ..TIMES }).await;
    let answer = spawn_blocking(move || {
        let idle: Vec<TcpStream> = (0..1_000).map_while(|_| TcpStream::connect(address).ok()).collect();
        if idle.len() < 1_000 {
            eprintln!("only {} idle connections: this system gives a process no more", idle.len());
        }
        // And one that sends its head a byte at a time.
        let slow = std::thread::spawn(move || {
            let mut slow = TcpStream::connect(address).expect("a connection");
            let head = ask(address, "").repeat(1_000).replace("\r\n", " ");
            head.bytes().any(|byte| {
                std::thread::sleep(Duration::from_millis(1));
                slow.write_all(&[byte]).is_err()
            })
        });
        let answer = talk(address, &ask(address, "Connection: close\r\n"));
        assert!(slow.join().expect("no panic"), "a head that never ends is cut");
        drop(idle);
        answer
    });
    let answer = answer.await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn streams_of_events_end_with_the_node() {
    let node = Node::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve_within(
        listener,
        router(node.state.clone()),
        Door { times: TIMES, ..Door::default() },
        async {
            let _ = stopped.await;
        },
    ));
    let stream = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    });
    let mut stream = stream.await.expect("no panic");
    stop.send(()).expect("still serving");
    // It would wait for what is open for an hour.
    serving.await.expect("no panic");
    let rest = spawn_blocking(move || {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).map(|_| rest)
    });
    assert!(rest.await.expect("no panic").expect("an end").ends_with("0\r\n\r\n"), "ended as it should be");
}

#[tokio::test]
async fn one_address_takes_not_all_places() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let door = Door { times: TIMES, crowd: Crowd::of(2), ..Door::default() };
    tokio::spawn(serve_within(listener, router(Node::start().state.clone()), door, std::future::pending()));
    let elsewhere = TcpSocket::new_v4().expect("a socket");
    elsewhere.bind("127.0.0.2:0".parse().expect("an address")).expect("this machine's");
    let elsewhere = spawn_blocking(move || {
        let mut idle: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).expect("a connection")).collect();
        // They are taken in their order: by its turn the two above hold their places.
        assert_eq!(talk_if_heard(address), "", "a third is hung up on");
        (idle.pop(), idle.pop(), elsewhere)
    });
    let (one, two, elsewhere) = elsewhere.await.expect("no panic");
    let other = elsewhere.connect(address).await.expect("a connection").into_std().expect("a socket");
    spawn_blocking(move || {
        let mut other = other;
        other.set_nonblocking(false).expect("blocking");
        other.write_all(ask(address, "Connection: close\r\n").as_bytes()).expect("written");
        let mut answer = String::new();
        other.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "another address is served: {answer}");
        drop(one);
        eventually("a place given back", || match talk_if_heard(address) {
            answer if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
            answer => Err(answer),
        });
        drop(two);
    })
    .await
    .expect("no panic");
}

/// What is answered, nothing where the connection is cut.
fn talk_if_heard(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut answer = String::new();
    let _ = stream.write_all(ask(address, "Connection: close\r\n").as_bytes());
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn what_counts_as_one_address() {
    let admit = |crowd: &Crowd, text: &str| crowd.admit(text.parse().expect("an address"));
    for (first, second, is_one) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("::1", "::2", false),
    ] {
        let crowd = Crowd::of(1);
        let place = admit(&crowd, first);
        assert!(place.is_some());
        assert_eq!(admit(&crowd, second).is_none(), is_one, "{first}, {second}");
        drop(place);
        assert!(admit(&crowd, second).is_some(), "{second} once {first} is gone");
    }
    let usual = Crowd::default();
    let far: Vec<_> = (0..CONNECTIONS_OF_ONE_MAX).map(|_| admit(&usual, "192.0.2.1")).collect();
    assert!(far.iter().all(Option::is_some) && admit(&usual, "192.0.2.1").is_none());
    let near: Vec<_> = (0..=CONNECTIONS_OF_ONE_MAX).map(|_| admit(&usual, "127.0.0.1")).collect();
    assert!(near.iter().all(Option::is_some), "a proxy on this machine stands for everybody");
}
