//! Connections to one server: opened, kept for the next question, and cut off at once when an answer is not wanted
//! any more, which is how such servers learn that they can stop.

use std::{
    error::Error,
    io, iter,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};
use tower_service::Service;

use super::{
    address::{Address, Key},
    proxy::Proxy,
    trouble::Trouble,
};

/// Connecting takes a round trip or three; a machine that is switched off does not answer at all.
const CONNECT: Duration = Duration::from_secs(2);

/// An idle connection is used again within this time. Many servers close theirs after five seconds, some hold a thread
/// for each.
const IDLE: Duration = Duration::from_secs(4);

/// A server that wants to be left alone for longer is asked all the same after this time.
const LONGEST_BUSY: Duration = Duration::from_secs(60);

/// The longest answer that is read as one.
pub(super) const LONGEST_ANSWER: usize = 4 << 20;

/// See the module. Clones share the connections.
#[derive(Clone)]
pub(super) struct Connections {
    address: Address,
    key: Option<Key>,
    /// How long to wait for each byte.
    patience: Duration,
    proxy: Option<Proxy>,
    idle: Arc<Mutex<Vec<(Connection, Instant)>>>,
}

/// Closed when dropped, whatever is under way on it.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer whose head has arrived. Its connection is closed when it is dropped before its end.
pub(super) struct Answer {
    pub status: u16,
    /// Without its parameters, in lower case.
    pub content_type: String,
    pub retry_after: Option<Duration>,
    body: Incoming,
    connection: Option<Connection>,
    of: Connections,
}

impl Connections {
    pub(super) fn new(
        address: Address,
        key: Option<Key>,
        patience: Duration,
        proxy: Option<Proxy>,
    ) -> Connections {
        Connections {
            address,
            key,
            patience,
            proxy,
            idle: Arc::default(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Trouble> {
        self.ask(path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, Trouble> {
        self.ask(path, Some(body.into())).await
    }

    async fn ask(&self, path: &str, body: Option<Bytes>) -> Result<Answer, Trouble> {
        while let Some(connection) = self.idle() {
            // The server may have closed it just now. It has not begun to answer then, and it is safe to ask again.
            match self.ask_on(connection, path, body.clone()).await {
                Err(Trouble::Cut) => {}
                other => return other,
            }
        }
        let connection = self.open().await?;
        if self.address.is_encrypted {
            self.prepare_next();
        }
        self.ask_on(connection, path, body).await
    }

    async fn ask_on(
        &self,
        mut connection: Connection,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, Trouble> {
        let request = self.request(path, body)?;
        let sent = timeout(self.patience, connection.sender.send_request(request)).await;
        let response = sent.map_err(|_| Trouble::Late)?.map_err(|error| {
            if error.is_parse() {
                Trouble::Malformed("no HTTP")
            } else {
                Trouble::Cut
            }
        })?;
        let text = |name| header_of(&response, name);
        let content_type = text(header::CONTENT_TYPE).to_lowercase();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        // Seconds; the form with a date is seldom.
        let retry_after: Option<u64> = text(header::RETRY_AFTER).trim().parse().ok();
        let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_BUSY));
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: content_type.to_owned(),
            retry_after,
            body: response.into_body(),
            connection: Some(connection),
            of: self.clone(),
        })
    }

    fn request(&self, path: &str, body: Option<Bytes>) -> Result<Request<Full<Bytes>>, Trouble> {
        let mut request = Request::builder()
            .method(if body.is_some() { "POST" } else { "GET" })
            .uri(self.address.target(path))
            .header(header::HOST, self.address.host())
            .header(header::ACCEPT, "text/event-stream, application/json")
            .header(
                header::USER_AGENT,
                concat!("ghostline/", env!("CARGO_PKG_VERSION")),
            );
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &self.key {
            let value = header::HeaderValue::from_str(&key.header());
            let mut value = value.map_err(|_| Trouble::KeyRefused)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Full::new(body.unwrap_or_default()));
        request.map_err(|_| Trouble::NothingThere(path.to_owned()))
    }

    /// A connection from before that is still open.
    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(connection, since)| since.elapsed() < IDLE && !connection.sender.is_closed());
        // Of those, the last used one; one that is not ready yet is as good as none.
        let at = idle
            .iter()
            .rposition(|(connection, _)| connection.sender.is_ready())?;
        Some(idle.remove(at).0)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.sender.is_closed() {
            idle.push((connection, Instant::now()));
        }
    }

    /// Has a connection ready for the next question: this one will be cut off by the next key more often than not, and
    /// encryption takes several round trips.
    fn prepare_next(&self) {
        let connections = self.clone();
        tokio::spawn(async move {
            if let Ok(connection) = connections.open().await {
                connections.keep(connection);
            }
        });
    }

    async fn open(&self) -> Result<Connection, Trouble> {
        let name = self.address.name();
        // Proxies pass on what is encrypted; what is not is asked for directly.
        let proxy = self.proxy.as_ref().filter(|_| self.address.is_encrypted);
        let (host, port) = match proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (name, self.address.port()),
        };
        let whose = if proxy.is_some() { "the proxy: " } else { "" };
        let stream = dial(host, port).await;
        let stream = stream.map_err(|reason| Trouble::Unreachable(format!("{whose}{reason}")))?;
        if let Some(proxy) = proxy {
            let tunnel = timeout(self.patience, proxy.tunnel(stream, &self.address)).await;
            return encrypted(name, tunnel.map_err(|_| Trouble::Late)??).await;
        }
        match self.address.is_encrypted {
            true => encrypted(name, stream).await,
            false => connected(stream).await,
        }
    }
}

/// Connects to one of the addresses of `host`, in words why not. Those of the other kind (IPv4 beside IPv6) are tried at
/// the same time when the first do not answer within 300 ms: on many networks one kind leads nowhere.
async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    let authority = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let uri = Uri::builder().scheme("http").authority(authority);
    let uri = uri.path_and_query("/").build();
    let uri = uri.map_err(|_| "that is no name of a host".to_owned())?;
    // A name server that is silent counts, too.
    let dialled = timeout(2 * CONNECT, connector.call(uri)).await;
    let dialled = dialled.map_err(|_| "no answer".to_owned())?;
    Ok(dialled.map_err(|error| reason(&error))?.into_inner())
}

/// A connection over `stream` to the server that can prove to be `name`.
async fn encrypted<S>(name: &str, stream: S) -> Result<Connection, Trouble>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| Trouble::NotTrusted("no name that a certificate could have".to_owned()))?;
    let greeted = timeout(CONNECT, encryption()?.connect(server, stream)).await;
    let greeted = greeted
        .map_err(|_| Trouble::NotTrusted("no answer to the greeting".to_owned()))?
        .map_err(|error| Trouble::NotTrusted(error.to_string()))?;
    connected(greeted).await
}

async fn connected<S>(stream: S) -> Result<Connection, Trouble>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaken = handshake(TokioIo::new(stream)).await;
    let (sender, driver) = shaken.map_err(|_| Trouble::Cut)?;
    // How it ended is known to whoever waits for an answer on it.
    let driver = tokio::spawn(async move { drop(driver.await) });
    Ok(Connection { sender, driver })
}

/// The system's certificates, read once.
fn encryption() -> Result<TlsConnector, Trouble> {
    static CONFIG: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(Arc::new(config))
    });
    let config = config.as_ref().cloned();
    let missing = || Trouble::NotTrusted("no encryption on this machine".to_owned());
    Ok(TlsConnector::from(config.ok_or_else(missing)?))
}

/// The system's words without its numbers.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut chain = iter::successors(Some(error), |&error| error.source());
    let system = chain.find_map(|error| error.downcast_ref::<io::Error>());
    let text = match system {
        Some(error) if error.kind() == io::ErrorKind::TimedOut => "no answer".to_owned(),
        Some(system) => system.to_string(),
        None => error.to_string(),
    };
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

fn header_of(response: &Response<Incoming>, name: header::HeaderName) -> String {
    let value = response.headers().get(name);
    let text = value.and_then(|value| value.to_str().ok());
    text.unwrap_or_default().to_owned()
}

impl Answer {
    /// The next bytes; `None` at the end, when the connection is kept for the next question.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            let frame = timeout(self.of.patience, self.body.frame()).await;
            match frame.map_err(|_| Trouble::Late)? {
                // Trailers are passed over.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(_)) => return Err(Trouble::Cut),
                None => {
                    if let Some(connection) = self.connection.take() {
                        self.of.keep(connection);
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// All of a short answer.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LONGEST_ANSWER {
                return Err(Trouble::Malformed("too long"));
            }
        }
        Ok(bytes)
    }
}
