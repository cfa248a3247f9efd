//! Probes against real listeners on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use quorate_probe::{HttpProbe, ProbeSpec};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

const TIMEOUT: Duration = Duration::from_secs(5);

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: u16, body: &str) {
    let mut request = [0; 2048];
    let _ = stream.read(&mut request).await;
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nlocation: /other\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Serves the same answer to everyone; ends with the runtime.
async fn serve(status: u16, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ready", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, status, body));
        }
    });
    url
}

#[tokio::test]
async fn a_good_status_is_up_and_another_is_not() {
    for (status, up) in [(200, true), (204, true), (302, false), (404, false), (503, false)] {
        let url = serve(status, "").await;
        let result = url.parse::<ProbeSpec>().unwrap().probe(TIMEOUT).await;
        assert_eq!((result.up, result.detail), (up, format!("status {status}")));
    }
}

#[tokio::test]
async fn an_expected_status_is_the_only_good_one() {
    let url = serve(401, "").await;
    let result = HttpProbe::new(&url).unwrap().expect_status(401).probe(TIMEOUT).await;
    assert!(result.up, "{result:?}");
    let result = HttpProbe::new(&url).unwrap().expect_status(200).probe(TIMEOUT).await;
    assert_eq!((result.up, result.detail.as_str()), (false, "status 401 instead of 200"));
}

#[tokio::test]
async fn words_are_looked_for_in_the_body() {
    let url = serve(200, "{\"health\":\"true\"}").await;
    let result = HttpProbe::new(&url).unwrap().expect_body("\"true\"").probe(TIMEOUT).await;
    assert!(result.up, "{result:?}");
    let result = HttpProbe::new(&url).unwrap().expect_body("\"false\"").probe(TIMEOUT).await;
    assert_eq!(result.detail, "status 200 without `\"false\"` in the body");
    assert!(!result.up);
}

#[tokio::test]
async fn nobody_listening_is_connection_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tcp: ProbeSpec = format!("tcp://{address}").parse().unwrap();
    assert!(tcp.probe(TIMEOUT).await.up);
    drop(listener);
    for scheme in ["tcp", "http"] {
        let spec: ProbeSpec = format!("{scheme}://{address}").parse().unwrap();
        let result = spec.probe(TIMEOUT).await;
        assert!(!result.up && result.detail.contains("refused"), "{scheme}: {result:?}");
    }
}

#[tokio::test]
async fn a_silent_service_is_given_up_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec: ProbeSpec = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let result = spec.probe(Duration::from_millis(80)).await;
    assert_eq!((result.up, result.detail.as_str()), (false, "no answer within 80 ms"));
    assert!(result.latency >= Duration::from_millis(80), "{result:?}");
}

#[tokio::test]
async fn https_is_believed_only_under_the_given_authority() {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca_params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca_params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(ca_params, ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, 200, "").await;
                }
            });
        }
    });

    let result = HttpProbe::with_authority(&url, ca.pem().as_bytes()).unwrap().probe(TIMEOUT).await;
    assert!(result.up, "{result:?}");

    let other_key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&other_key).unwrap();
    let result =
        HttpProbe::with_authority(&url, other.pem().as_bytes()).unwrap().probe(TIMEOUT).await;
    assert!(!result.up && result.detail.contains("certificate"), "{result:?}");
    assert!(HttpProbe::with_authority(&url, b"nothing").is_err());
}
