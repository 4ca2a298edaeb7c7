//! Encrypted, and through a proxy: downloads and remote servers, by the program as people run it. A relay in front of the
//! servers of the other tests does the encryption, with a certificate that only those trust who are told to.

#[expect(dead_code, reason = "the tests of remote servers use the rest of it")]
#[path = "support/faulty.rs"]
mod faulty;
#[expect(dead_code, reason = "the tests of downloads use the rest of it")]
#[path = "models/hub.rs"]
mod hub;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use faulty::{Act, Faulty, Kind};
use hub::Hub;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tokio_rustls::TlsAcceptor;

const MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/models/ghostline-small-q8_0.gguf"
);

/// A network of its own, until it is dropped.
struct Network {
    runtime: Runtime,
    folder: TempDir,
    acceptor: TlsAcceptor,
}

impl Network {
    fn new() -> Network {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("authority.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Network {
            runtime: Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            folder,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// Who trusts this file trusts the relays.
    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    fn listen(&self) -> TcpListener {
        let listen = TcpListener::bind("127.0.0.1:0");
        self.runtime.block_on(listen).unwrap()
    }

    /// The address of a relay that speaks encrypted and passes on to `server`.
    fn encrypted(&self, server: SocketAddr) -> String {
        let (listener, acceptor) = (self.listen(), self.acceptor.clone());
        let port = listener.local_addr().unwrap().port();
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Refused by whoever does not trust it.
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut inner = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut inner).await;
                });
            }
        });
        format!("https://localhost:{port}")
    }

    /// An HTTP proxy, and the requests that it was made.
    fn proxy(&self) -> (String, Arc<Mutex<Vec<String>>>) {
        let (listener, heard) = (self.listen(), Arc::new(Mutex::new(Vec::new())));
        let address = listener.local_addr().unwrap();
        let all = Arc::clone(&heard);
        self.runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let place = head.split_whitespace().nth(1).unwrap().to_owned();
                    all.lock().unwrap().push(head);
                    let mut server = TcpStream::connect(&place).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        (format!("http://{address}"), heard)
    }
}

/// The program, run by somebody with folders of their own and nothing in the environment.
fn run(home: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    for (name, _) in std::env::vars() {
        let is_network = name.to_lowercase().ends_with("_proxy") || name.starts_with("HF_");
        if is_network || name.starts_with("GHOSTLINE_") || name.starts_with("SSL_CERT") {
            command.env_remove(name);
        }
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    command
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_CACHE_HOME", cache)
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_model_is_fetched_over_an_encrypted_connection_and_from_nobody_who_is_not_trusted() {
    let (network, hub) = (Network::new(), Hub::with_file(&fs::read(MODEL).unwrap()));
    let server = hub.url().strip_prefix("http://").unwrap().parse().unwrap();
    let url = network.encrypted(server) + "/m.gguf";
    let authority = network.authority().display().to_string();
    let (proxy, heard) = network.proxy();
    let home = tempfile::tempdir().unwrap();
    let pull = ["models", "pull", &url];

    let nobody = home.path().join("nobody.pem").display().to_string();
    let refused = run(home.path(), &[("SSL_CERT_FILE", &nobody)], &pull);
    let (code, _, why) = said(&refused);
    assert_eq!(code, Some(2), "{why}");
    assert!(why.contains("certificate"), "{why}");
    assert!(hub.requests().is_empty());

    let trusted = [
        ("SSL_CERT_FILE", authority.as_str()),
        ("HTTPS_PROXY", &proxy),
    ];
    let (code, _, why) = said(&run(home.path(), &trusted, &pull));
    assert_eq!(code, Some(0), "{why}");
    let place = url.strip_prefix("https://").unwrap();
    let place = place.strip_suffix("/m.gguf").unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard[0].starts_with(&format!("CONNECT {place} HTTP/1.1\r\n")));
    assert!(heard.iter().all(|head| !head.contains("m.gguf")));
}

#[test]
fn a_remote_server_is_asked_over_an_encrypted_connection_and_through_a_proxy() {
    let (network, home) = (Network::new(), tempfile::tempdir().unwrap());
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["swer = ", "42;"]));
    let url = network.encrypted(server.address());
    let authority = network.authority().display().to_string();
    let (proxy, heard) = network.proxy();
    let [source, config] = ["a.rs", "config.toml"].map(|name| home.path().join(name));
    fs::write(&source, "fn main() {\n    let an\n}\n").unwrap();
    let settings = format!(
        "[engine]\nkind = \"remote\"\n[remote]\nurl = \"{url}\"\nconsent = \"given\"\nfallback = false\n"
    );
    fs::write(&config, settings).unwrap();
    let place = format!("{}:2:11", source.display());
    let complete = [
        "--config",
        &config.display().to_string(),
        "complete",
        &place,
    ];

    let nobody = home.path().join("nobody.pem").display().to_string();
    let (code, text, why) = said(&run(home.path(), &[("SSL_CERT_FILE", &nobody)], &complete));
    assert!(code != Some(0) && text.is_empty(), "{text}{why}");
    assert!(why.contains("certificate"), "{why}");
    assert!(server.requests().is_empty());

    for through_proxy in [false, true] {
        let mut trusted = vec![("SSL_CERT_FILE", authority.as_str())];
        if through_proxy {
            trusted.push(("HTTPS_PROXY", &proxy));
        }
        let (code, text, why) = said(&run(home.path(), &trusted, &complete));
        assert_eq!((code, text.trim_end()), (Some(0), "swer = 42;"), "{why}");
        let heard = heard.lock().unwrap();
        assert_eq!(!heard.is_empty(), through_proxy);
        assert!(
            heard
                .iter()
                .all(|head| head.starts_with("CONNECT localhost:"))
        );
    }
}
