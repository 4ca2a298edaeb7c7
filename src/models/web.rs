//! One GET over HTTP, redirects included: who is asked, with which proxy, who sees the token, and what is said when
//! it fails. What is done with the answer is `download.rs`'s.
//!
//! Redirects are followed here and not by the client: the hub tells a file's hash in the headers of the first answer,
//! and the token must not go along to another host.

use std::{io::Read, sync::Arc, time::Duration};

use crate::engine::remote;

use ureq::{
    Agent, Body, Proxy, ProxyProtocol,
    http::{HeaderMap, Response, StatusCode, Uri},
    tls::{RootCerts, TlsConfig},
};

/// The public hub.
const HUB: &str = "https://huggingface.co";
const MAX_REDIRECTS: usize = 10;

/// What the environment says about the network.
#[derive(Clone)]
pub struct Web {
    /// The hub's address, without a slash at its end.
    pub hub: String,
    token: Option<Token>,
    proxies: Proxies,
    /// How long nothing may come.
    pub patience: Duration,
}

/// A secret: it cannot be printed.
#[derive(Clone)]
struct Token(String);

#[derive(Clone, Default)]
struct Proxies {
    http: Option<String>,
    https: Option<String>,
    exempt: String,
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("`{0}` is no address")]
    BadAddress(String),
    /// It may go better next time.
    #[error("{0}")]
    Broken(String),
    #[error("{0}")]
    Refused(String),
}

/// An answer, after all redirects.
pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    /// Of the first answer, when that was a redirect: the hub's own.
    first: HeaderMap,
    body: Body,
}

impl Web {
    /// As the environment has it: `HF_ENDPOINT`, `HF_TOKEN`, `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Web {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |name: &str| variable(&name.to_lowercase()).or_else(|| variable(name));
        let all = either("ALL_PROXY");
        let hub = variable("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned());
        Web {
            hub: hub.trim().trim_end_matches('/').to_owned(),
            token: variable("HF_TOKEN").map(|token| Token(token.trim().to_owned())),
            proxies: Proxies {
                http: either("HTTP_PROXY").or_else(|| all.clone()),
                https: either("HTTPS_PROXY").or(all),
                exempt: either("NO_PROXY").unwrap_or_default(),
            },
            patience: Duration::from_secs(30),
        }
    }

    pub fn from_environment() -> Web {
        Web::new(|name| std::env::var(name).ok())
    }

    /// Whether there is a token for the hub.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The proxy that lies on the way to `url`; a sentence if it cannot be used.
    pub fn proxy_to(&self, url: &str) -> Result<Option<remote::Proxy>, String> {
        let url = url.parse();
        let url = url.map_err(|_| "the server has no address".to_owned())?;
        let Some(proxy) = self.proxies.of(&url).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        if proxy.protocol() != ProxyProtocol::Http {
            return Err("remote servers can be reached through HTTP proxies only; set HTTPS_PROXY to `http://HOST:PORT`, or name the server in NO_PROXY".to_owned());
        }
        let user = proxy
            .username()
            .map(|name| (name, proxy.password().unwrap_or_default()));
        Ok(Some(remote::Proxy::new(proxy.host(), proxy.port(), user)))
    }

    /// Asks for `url`; an answer of any status is one.
    pub fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Answer, WebError> {
        let mut url: Uri = url
            .parse()
            .ok()
            .filter(|url: &Uri| url.host().is_some())
            .ok_or_else(|| WebError::BadAddress(super::name::shown(url)))?;
        let mut first = HeaderMap::new();
        for hop in 0..=MAX_REDIRECTS {
            let (head, body) = self.ask(&url, headers)?.into_parts();
            let target = head.headers.get("location").and_then(|it| it.to_str().ok());
            let (true, Some(target)) = (is_redirect(head.status), target) else {
                return Ok(Answer {
                    status: head.status.as_u16(),
                    headers: head.headers,
                    first,
                    body,
                });
            };
            let next = resolve(&url, target).ok_or_else(|| {
                WebError::Refused(format!("{} redirects to nowhere", place(&url)))
            })?;
            if url.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(WebError::Refused(format!(
                    "{} redirects to an address without encryption, which is not followed",
                    place(&url)
                )));
            }
            if hop == 0 {
                first = head.headers;
            }
            url = next;
        }
        Err(WebError::Refused(format!(
            "{} redirects more than {MAX_REDIRECTS} times",
            place(&url)
        )))
    }

    fn ask(&self, url: &Uri, headers: &[(&str, String)]) -> Result<Response<Body>, WebError> {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .proxy(self.proxies.of(url)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(self.patience))
            .timeout_recv_response(Some(self.patience))
            .timeout_per_read(Some(self.patience))
            .user_agent(concat!("ghostline/", env!("CARGO_PKG_VERSION")));
        let mut request = Agent::new_with_config(config.build()).get(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(Token(token)) = self.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| failure(url, &error))
    }

    /// Whether it is the hub itself that is asked: nobody else sees the token.
    fn is_hub(&self, url: &Uri) -> bool {
        self.hub.parse().is_ok_and(|hub: Uri| {
            hub.scheme() == url.scheme() && hub.authority() == url.authority()
        })
    }
}

impl Proxies {
    fn of(&self, url: &Uri) -> Result<Option<Proxy>, WebError> {
        let chosen = match url.scheme_str() {
            Some("https") => &self.https,
            _ => &self.http,
        };
        let host = url.host().unwrap_or_default();
        match chosen {
            Some(proxy) if !self.exempts(host) => Proxy::new(proxy).map(Some).map_err(|_| {
                // Not the value: it may hold a password.
                WebError::Refused(
                    "the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address; correct or unset it"
                        .to_owned(),
                )
            }),
            _ => Ok(None),
        }
    }

    fn exempts(&self, host: &str) -> bool {
        let exempt = self.exempt.split(',').map(str::trim);
        exempt.filter(|it| !it.is_empty()).any(|pattern| {
            let domain = pattern.trim_start_matches('*').trim_start_matches('.');
            let is_below = || {
                host.strip_suffix(domain)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            pattern == "*" || is_below()
        })
    }
}

impl Answer {
    /// A header of the last answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the hub says of the file, in its first answer or in the last.
    pub fn told(&self, name: &str) -> Option<&str> {
        let first = self.first.get(name).and_then(|it| it.to_str().ok());
        first.or_else(|| self.header(name))
    }

    pub fn reader(self) -> impl Read {
        self.body.into_with_config().limit(u64::MAX).reader()
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a `Location` leads.
fn resolve(from: &Uri, target: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let whole = if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else if target.contains("://") {
        target.to_owned()
    } else {
        let folder = from
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{target}")
    };
    let uri: Uri = whole.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri)
}

/// Who was asked: without the path, which may hold a signature, and without a password.
pub fn place(url: &Uri) -> String {
    let port = url
        .port_u16()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port}", url.host().unwrap_or("the server"))
}

fn failure(url: &Uri, error: &ureq::Error) -> WebError {
    let place = place(url);
    match error {
        ureq::Error::Timeout(_) => {
            WebError::Broken(format!("{place} does not answer; check the connection"))
        }
        ureq::Error::HostNotFound => WebError::Broken(format!(
            "{place} cannot be found; check the connection, HF_ENDPOINT and the proxy"
        )),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => WebError::Refused(format!(
            "no safe connection to {place}: {error}; a company's proxy may need its certificate in the system's store"
        )),
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => {
            WebError::Broken(format!("the connection to {place} failed: {error}"))
        }
        _ => WebError::Refused(format!("{place} cannot be asked: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn a_redirect_leads_from_where_it_was_found() {
        let from = uri("https://a.org:8/x/y?z");
        let to = |target| resolve(&from, target).map(|uri| uri.to_string());
        assert_eq!(to("/b").as_deref(), Some("https://a.org:8/b"));
        assert_eq!(to("b").as_deref(), Some("https://a.org:8/x/b"));
        assert_eq!(to("//c.org/b").as_deref(), Some("https://c.org/b"));
        assert_eq!(to("http://c.org/b").as_deref(), Some("http://c.org/b"));
        assert_eq!(to("file:///etc/passwd"), None);
    }

    #[test]
    fn only_the_hub_sees_the_token() {
        let web = Web::new(|name| match name {
            "HF_ENDPOINT" => Some("https://hub.org/".to_owned()),
            "HF_TOKEN" => Some("secret".to_owned()),
            _ => None,
        });
        assert!(web.is_hub(&uri("https://hub.org/a/b")));
        for other in [
            "http://hub.org/a",
            "https://hub.org:444/a",
            "https://cdn.hub.org/a",
            "https://hub.org.evil/a",
        ] {
            assert!(!web.is_hub(&uri(other)), "{other}");
        }
    }

    #[test]
    fn remote_servers_are_reached_through_http_proxies_only() {
        let of = |proxy: &'static str| {
            let web = Web::new(|name| (name == "HTTPS_PROXY").then(|| proxy.to_owned()));
            web.proxy_to("https://code.example:443")
        };
        let proxy = of("http://me:secret@proxy.example:3128").unwrap().unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert!(
            of("socks5://proxy.example:1080")
                .unwrap_err()
                .contains("HTTP proxies")
        );
        assert!(
            Web::new(|_| None)
                .proxy_to("https://code.example:443")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_proxy_is_chosen_by_scheme_and_left_out_for_the_exempt() {
        let web = Web::new(|name| match name {
            "HTTP_PROXY" => Some("http://one:1".to_owned()),
            "https_proxy" => Some("http://two:2".to_owned()),
            "NO_PROXY" => Some("localhost, .inside.org,*.lab".to_owned()),
            _ => None,
        });
        let of = |url: &str| {
            let proxy = web.proxies.of(&uri(url)).unwrap();
            proxy.map(|proxy| proxy.host().to_owned())
        };
        assert_eq!(of("http://a.org/x").as_deref(), Some("one"));
        assert_eq!(of("https://a.org/x").as_deref(), Some("two"));
        for exempt in [
            "http://localhost/",
            "https://inside.org/",
            "https://a.inside.org/",
            "http://x.lab/",
        ] {
            assert_eq!(of(exempt), None, "{exempt}");
        }
        assert_eq!(of("http://notinside.org/").as_deref(), Some("one"));
    }
}
