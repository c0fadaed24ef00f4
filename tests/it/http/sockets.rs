//! The face over real loopback sockets: served, bounded, ended. The client is a plain blocking one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use ucash::http::{router, serve};

use super::fake::Node;

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
