//! The way to an encrypted server through an HTTP proxy: it is told host and port (`CONNECT`, RFC 9110 §9.3.6), and
//! passes bytes on that it cannot read.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1::handshake, header, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{address::Address, trouble::Trouble};

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub host: String,
    pub port: u16,
    /// What it wants to hear before it does anything.
    authorization: Option<String>,
}

impl Proxy {
    /// `user` is a name and a password.
    pub fn new(host: &str, port: u16, user: Option<(&str, &str)>) -> Proxy {
        let authorization = user.map(|(name, password)| {
            format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{name}:{password}"))
            )
        });
        Proxy {
            host: host.to_owned(),
            port,
            authorization,
        }
    }

    /// A connection to the server behind the proxy, of which `stream` is one.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        address: &Address,
    ) -> Result<TokioIo<Upgraded>, Trouble> {
        let refused = |what: &str| Trouble::Unreachable(format!("the proxy {what}"));
        let shaken = handshake(TokioIo::new(stream)).await;
        let (mut sender, driver) = shaken.map_err(|_| refused("hangs up"))?;
        // Ends with the connection.
        tokio::spawn(async move { drop(driver.with_upgrades().await) });
        let target = address.authority();
        let mut request = Request::connect(&target).header(header::HOST, &target);
        if let Some(authorization) = &self.authorization {
            let value = header::HeaderValue::from_str(authorization);
            let mut value = value.map_err(|_| refused("cannot be told its password"))?;
            value.set_sensitive(true);
            request = request.header(header::PROXY_AUTHORIZATION, value);
        }
        let request = request.body(Empty::<Bytes>::new());
        let request = request.map_err(|_| refused("cannot be told the host"))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|_| refused("hangs up"))?;
        match response.status().as_u16() {
            200..300 => {}
            407 => {
                return Err(refused(
                    "wants a name and a password; give them in HTTPS_PROXY",
                ));
            }
            status => return Err(refused(&format!("answers with status {status}"))),
        }
        let upgraded = hyper::upgrade::on(response).await;
        Ok(TokioIo::new(upgraded.map_err(|_| refused("hangs up"))?))
    }
}

/// Without the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
        time::Duration,
    };

    use tokio::runtime;

    use super::{super::connection::Connections, *};

    /// Asks a server through a proxy that says `answer`; returns what the proxy heard, with the first byte that it was
    /// to pass on, and what the trouble is.
    fn asked_through(
        answer: &'static str,
        user: Option<(&str, &str)>,
    ) -> (String, Vec<u8>, Trouble) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            let mut first = vec![0; 1];
            let len = stream.read(&mut first).unwrap_or_default();
            first.truncate(len);
            (String::from_utf8(head).unwrap(), first)
        });
        let address: Address = "https://code.example/v1".parse().unwrap();
        let proxy = Proxy::new("127.0.0.1", port, user);
        let connections = Connections::new(address, None, Duration::from_secs(5), Some(proxy));
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let trouble = runtime
            .unwrap()
            .block_on(connections.get("/v1/models"))
            .err()
            .unwrap();
        let (head, first) = heard.join().unwrap();
        (head, first, trouble)
    }

    #[test]
    fn the_proxy_learns_host_and_port_and_passes_on_what_is_encrypted() {
        let (head, first, trouble) = asked_through("HTTP/1.1 200 OK\r\n\r\n", None);
        assert!(
            head.starts_with("CONNECT code.example:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(!head.contains("uthorization"), "{head}");
        // The greeting of TLS; nobody answers it here.
        assert_eq!(first, [0x16]);
        assert!(matches!(trouble, Trouble::NotTrusted(_)), "{trouble:?}");
    }

    #[test]
    fn a_proxy_that_refuses_is_named_as_the_reason() {
        let answer = "HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n";
        let (_, first, trouble) = asked_through(answer, None);
        assert!(first.is_empty(), "{first:?}");
        assert!(
            matches!(&trouble, Trouble::Unreachable(why) if why.contains("HTTPS_PROXY")),
            "{trouble:?}"
        );
        let (_, _, trouble) = asked_through("HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", None);
        assert_eq!(
            trouble,
            Trouble::Unreachable("the proxy answers with status 502".to_owned())
        );
    }

    #[test]
    fn name_and_password_go_to_the_proxy_and_are_not_shown() {
        let (head, ..) = asked_through("HTTP/1.1 502 No\r\n\r\n", Some(("me", "secret")));
        assert!(
            head.to_lowercase()
                .contains("proxy-authorization: basic bwu6c2vjcmv0"),
            "{head}"
        );
        let shown = format!("{:?}", Proxy::new("proxy", 3128, Some(("me", "secret"))));
        assert_eq!(shown, "Proxy(proxy:3128)");
    }
}
