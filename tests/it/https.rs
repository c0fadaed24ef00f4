//! A real node under a certificate: others ask over HTTPS, the commands of its directory as ever; a new certificate is
//! served without a restart. Also what the tests of HTTPS share: pairs made on the spot, and a client that trusts one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::{ANY_LISTEN, Shop, eventually};

/// A self-signed certificate of `localhost`, and its key.
pub struct Pair {
    pub certificate: String,
    pub key: String,
    der: CertificateDer<'static>,
}

impl Pair {
    pub fn make() -> Pair {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Pair { certificate: made.cert.pem(), key: made.key_pair.serialize_pem(), der: made.cert.der().clone() }
    }
}

/// A connection that trusts one certificate and no other.
pub struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    pub fn connect(address: SocketAddr, pair: &Pair) -> std::io::Result<Secure> {
        let mut roots = RootCertStore::empty();
        roots.add(pair.der.clone()).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut stream = TcpStream::connect(address)?;
        while client.is_handshaking() {
            client.complete_io(&mut stream)?;
        }
        Ok(Secure(StreamOwned::new(client, stream)))
    }
}

impl Read for Secure {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// One request on a connection of its own, which must be ended as TLS ends one.
pub fn over_tls(address: SocketAddr, pair: &Pair, request: &str) -> std::io::Result<String> {
    let mut stream = Secure::connect(address, pair)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn told(shop: &Shop, signal: &str) {
    let script = format!("kill -{signal} {}", shop.pid());
    assert!(Command::new("sh").args(["-c", &script]).status().is_ok_and(|sent| sent.success()), "{signal} was sent");
}

#[test]
fn a_node_under_a_certificate_is_reached_by_others_and_by_its_commands() {
    let (first, second, third) = (Pair::make(), Pair::make(), Pair::make());
    let mut shop = Shop::found("siege", "Portes", 1);
    let certificate = shop.write_beside("cert.pem", &first.certificate);
    let key = shop.write_beside("key.pem", &first.key);
    shop.start_at("0.0.0.0:0", ANY_LISTEN, &["--tls-cert", &certificate, "--tls-key", &key, "--log-format", "json"]);
    let port = shop.http().rsplit(':').next().expect("a port").to_owned();
    let address: SocketAddr = format!("127.0.0.1:{port}").parse().expect("an address");

    // A command would be refused the directory if it did not find the node.
    assert_eq!(shop.ok(&["status"])["shop_id"], 1);
    let made = shop.ok(&["token", "create", "--name", "caisse", "--shop", "1"]);
    let token = made["token"].as_str().expect("a token");
    let is_served = |pair: &Pair| {
        let head = format!("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
        match over_tls(address, pair, &format!("{head}Connection: close\r\n\r\n")) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    assert_eq!(is_served(&first), Ok(()));
    assert!(shop.face().request("GET", "/healthz", &[], None).is_err(), "plain HTTP is not spoken there");

    shop.write_beside("cert.pem", &second.certificate);
    shop.write_beside("key.pem", &second.key);
    told(&shop, "HUP");
    eventually("the second certificate", || is_served(&second));
    assert!(is_served(&first).is_err());
    let refused = || shop.log().matches("certificate before is kept").count();
    shop.write_beside("key.pem", &first.key);
    told(&shop, "HUP");
    eventually("the wrong key to be told", || if refused() == 1 { Ok(()) } else { Err(shop.log()) });
    assert_eq!(is_served(&second), Ok(()), "the pair before is served on");
    // Told again, it says nothing again: the third pair shows that it has looked.
    told(&shop, "HUP");
    shop.write_beside("cert.pem", &third.certificate);
    shop.write_beside("key.pem", &third.key);
    told(&shop, "HUP");
    eventually("the third certificate", || {
        // Both files are not written at once: a look in between finds a pair that does not fit, and looks again.
        told(&shop, "HUP");
        is_served(&third)
    });
    assert!(!shop.log().contains("PRIVATE KEY"));
    assert!(shop.stop().success());
    assert_eq!(shop.ok(&["status"])["shop_id"], 1);
}

#[test]
fn a_certificate_that_cannot_be_served_is_refused_before_anything_starts() {
    let (ours, theirs) = (Pair::make(), Pair::make());
    let shop = Shop::empty("siege");
    let certificate = shop.write_beside("cert.pem", &ours.certificate);
    let key = shop.write_beside("key.pem", &ours.key);
    let other = shop.write_beside("other.pem", &theirs.key);
    let broken = shop.write_beside("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (certificate, key, code) in [
        (&certificate, &other, "tls_other_key"),
        (&key, &key, "tls_no_certificate"),
        (&certificate, &certificate, "tls_no_key"),
        (&broken, &key, "tls_unfit"),
        (&certificate, &"/nonexistent/key.pem".to_owned(), "tls_unreadable"),
    ] {
        let ran = shop.run(&["start", "--tls-cert", certificate, "--tls-key", key]);
        let error = ran.error();
        assert_eq!((ran.code, &error["code"]), (Some(1), &json!(code)), "{ran:?}");
        let said = error["message"].as_str().expect("a sentence");
        assert!(said.contains("Rien n'a été démarré") && said.ends_with('.'), "{said}");
        assert!(!shop.directory().exists(), "nothing is made");
    }
    let half = shop.run(&["start", "--tls-cert", &certificate]);
    assert_eq!(half.error()["code"], "bad_settings", "{half:?}");
}
