//! That GitHub is spoken to over TLS, and only where its certificate is trusted.
//!
//! `tests/data/tls` holds a key that protects nothing and a certificate for 127.0.0.1 that it signed itself:
//! `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj "/CN=cargo-nongemm test"
//! -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE`, then both in DER.

// The lint exempts test functions only, not what they share.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use nongemm::github::{Client, Token};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const CERTIFICATE: &[u8] = include_bytes!("data/tls/certificate.der");
const KEY: &[u8] = include_bytes!("data/tls/key.der");
const PULL: &str = r#"{"number": 7, "state": "open", "head": {"ref": "fast", "sha": "1", "repo": null},
    "base": {"ref": "main", "sha": "2", "repo": null}}"#;

/// The only test of this program: it changes the environment of its process.
#[test]
fn github_is_spoken_to_over_tls_and_only_where_its_certificate_is_trusted() {
    let url = format!("https://{}", server());
    let ask = || {
        let client = Client::new(&url, Token::new("ghs_secret").unwrap()).unwrap();
        client.pull_request(&"acme/ranker".parse().unwrap(), 7)
    };
    let error = ask().unwrap_err().to_string();
    assert!(error.contains("certificate") && !error.contains("secret"), "{error}");
    let trusted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/certificate.pem");
    // SAFETY: no other thread of this program reads or writes the environment.
    unsafe {
        std::env::remove_var("SSL_CERT_DIR");
        std::env::set_var("SSL_CERT_FILE", trusted);
    }
    assert!(ask().unwrap().open);
    // SAFETY: as above.
    unsafe { std::env::set_var("SSL_CERT_FILE", "/nowhere/certificates.pem") };
    let error = Client::new(&url, Token::new("ghs_secret").unwrap()).unwrap_err().to_string();
    assert!(error.contains("ca-certificates"), "{error}");
}

/// A server that answers every request over TLS with a pull request.
fn server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], PrivateKeyDer::try_from(KEY).unwrap())
        .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap());
            // A client that does not trust us hangs up here.
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{PULL}",
                PULL.len()
            );
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    address
}
