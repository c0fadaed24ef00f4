//! The face over TLS, on the real program: which certificate is shown, renewed while connections go on, and what is
//! refused before anything starts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::process::Shop;

/// Takes whatever certificate is shown: the tests look at which one it was.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// Writes a new certificate and its key; answers the certificate's bytes.
fn renew(pair: &Pair) -> Vec<u8> {
    let names = vec!["relais.example.cd".to_owned()];
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed(names).expect("a certificate");
    // The key first: whoever looks between the two sees a pair that does not fit, and keeps the old one.
    std::fs::write(&pair.key, key_pair.serialize_pem()).expect("written");
    std::fs::write(&pair.certificate, cert.pem()).expect("written");
    cert.der().to_vec()
}

fn pair_in(directory: &Path) -> Pair {
    std::fs::create_dir_all(directory).expect("made");
    Pair { certificate: directory.join("cert.pem"), key: directory.join("key.pem") }
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: &str) -> Secure {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = builder.expect("versions").dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)));
    let name = ServerName::try_from("relais.example.cd").expect("a name");
    let client = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).expect("a client");
    StreamOwned::new(client, TcpStream::connect(address).expect("connected"))
}

/// Asks for `/healthz` on a connection that is kept open; the status.
fn ask(stream: &mut Secure) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: relais.example.cd\r\n\r\n").expect("asked");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("answered"), 1, "closed: {}", String::from_utf8_lossy(&answer));
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    head.lines().next().unwrap_or_default().to_owned()
}

fn shown(stream: &Secure) -> Vec<u8> {
    stream.conn.peer_certificates().and_then(|chain| chain.first()).expect("a certificate").to_vec()
}

#[test]
fn a_certificate_is_renewed_while_connections_go_on() {
    let mut shop = Shop::found("siege", "TLS", 1);
    let pair = pair_in(&shop.directory().join("tls"));
    let first = renew(&pair);
    let (certificate, key) = (pair.certificate.display().to_string(), pair.key.display().to_string());
    shop.start(&["--tls-cert", &certificate, "--tls-key", &key, "--host", "relais.example.cd"]);
    let http = shop.http();
    let mut early = connect(&http);
    assert_eq!(ask(&mut early), "http/1.1 200 ok");
    assert_eq!(shown(&early), first);
    // Commands of this directory go on by a way of their own.
    assert_eq!(shop.run(&["status"]).code, Some(0));

    std::fs::write(&pair.certificate, "not a certificate").expect("written");
    let mut meanwhile = connect(&http);
    assert_eq!(ask(&mut meanwhile), "http/1.1 200 ok");
    assert_eq!(shown(&meanwhile), first, "what is of no use replaces nothing");

    let second = renew(&pair);
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let mut late = connect(&http);
        assert_eq!(ask(&mut late), "http/1.1 200 ok");
        if shown(&late) == second {
            break;
        }
        assert!(Instant::now() < end, "the new certificate is never shown");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ask(&mut early), "http/1.1 200 ok", "the connection of before goes on");
    // Who does not speak TLS gets nothing, and holds nobody up.
    let mut plain = TcpStream::connect(&http).expect("connected");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("asked");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn what_would_be_read_on_the_way_or_is_no_certificate_is_refused_before_anything_starts() {
    let mut shop = Shop::found("siege", "TLS", 1);
    let (one, other) = (pair_in(&shop.directory().join("one")), pair_in(&shop.directory().join("other")));
    renew(&one);
    renew(&other);
    let path = |path: &Path| path.display().to_string();
    let (certificate, key, foreign) = (path(&one.certificate), path(&one.key), path(&other.key));
    let nowhere = path(&shop.directory().join("nowhere.pem"));
    let table: [(&[&str], &str); 6] = [
        (&["--http", "0.0.0.0:0"], "plain_http"),
        (&["--tls-cert", &certificate], "bad_settings"),
        (&["--tls-key", &key], "bad_settings"),
        (&["--tls-cert", &certificate, "--tls-key", &foreign], "bad_tls"),
        (&["--tls-cert", &nowhere, "--tls-key", &key], "bad_tls"),
        (&["--tls-cert", &key, "--tls-key", &key], "bad_tls"),
    ];
    for (words, code) in table {
        for command in ["start", "relay"] {
            let ran = shop.run(&[&[command, "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"], words].concat());
            let error = ran.error();
            assert_eq!((ran.code, &error["code"]), (Some(1), &json!(code)), "{command} {words:?}: {ran:?}");
            assert!(error["message"].as_str().is_some_and(|text| text.contains("Rien n'a été démarré")), "{error}");
        }
    }
    shop.start_at("0.0.0.0:0", "/ip4/127.0.0.1/tcp/0", &["--plain-http"]);
    assert!(shop.http().starts_with("0.0.0.0:"), "asked for by name: {}", shop.http());
}

#[test]
fn a_relay_founds_nothing() {
    let shop = Shop::empty("relais");
    let ran = shop.run(&["relay", "--no-mdns"]);
    assert_eq!((ran.code, &ran.error()["code"]), (Some(1), &json!("no_device")), "{ran:?}");
    assert!(!shop.directory().join("identity").exists());
}
