//! Where a server listens. What may be shown of it is host and port: a path or a query may hold a key.

use std::{fmt, str::FromStr};

/// A server's address.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub is_encrypted: bool,
    host: String,
    port: u16,
    /// Without a slash at its end; empty when none was given.
    path: String,
    /// With its question mark.
    query: String,
}

/// Why a text is no address; a clause with the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("is no address of a server; write `http://HOST:PORT` or `https://HOST`")]
    NoAddress,
    #[error(
        "holds a user or a password, which would be shown; name the variable or file that holds the key in `remote.key_env` or `remote.key_file`"
    )]
    HoldsSecret,
}

impl Address {
    /// What may be shown, and what consent is given for: the port is left out only where it says that nobody on the way
    /// can read along.
    pub fn host(&self) -> String {
        match (self.is_encrypted, self.port) {
            (true, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// Host and port, whatever the port is.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// For whoever has to know which proxy there is to it.
    pub fn origin(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The host as a resolver wants it.
    pub(super) fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What is asked for to reach `path` of the server.
    pub(super) fn target(&self, path: &str) -> String {
        format!("{path}{}", self.query)
    }

    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        let name = self.name();
        let ip = name.parse::<std::net::IpAddr>();
        name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let text = text.trim();
        let scheme = |name: &str| {
            let start = text.get(..name.len())?;
            start
                .eq_ignore_ascii_case(name)
                .then(|| &text[name.len()..])
        };
        let (is_encrypted, rest) = match (scheme("http://"), scheme("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(AddressError::NoAddress),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressError::HoldsSecret);
        }
        // A colon inside the brackets of an IPv6 address is not that of a port.
        let (host, port) = match authority
            .rfind(':')
            .filter(|&at| Some(at) > authority.rfind(']'))
        {
            Some(at) => (&authority[..at], authority[at + 1..].parse().ok()),
            None => (authority, Some(if is_encrypted { 443 } else { 80 })),
        };
        let is_name = |char: char| char.is_ascii_alphanumeric() || "-._[]:".contains(char);
        let is_sendable = [path, query]
            .iter()
            .all(|it| it.bytes().all(|byte| byte.is_ascii_graphic()));
        let port = port.filter(|&port| port > 0 && !host.is_empty() && host.chars().all(is_name));
        match port.filter(|_| is_sendable) {
            Some(port) => Ok(Address {
                is_encrypted,
                host: host.to_ascii_lowercase(),
                port,
                path: path.trim_end_matches('/').to_owned(),
                query: query.to_owned(),
            }),
            None => Err(AddressError::NoAddress),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())
    }
}

/// A key for a server. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// `None` for what cannot be sent in a header.
    pub fn new(text: &str) -> Option<Key> {
        let text = text.trim();
        let is_sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_sendable.then(|| Key(text.to_owned()))
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, u16, &str, bool), AddressError>) {
        let address: Result<Address, AddressError> = text.parse();
        let seen = address
            .as_ref()
            .map(|it| (it.name(), it.port, it.path.as_str(), it.is_encrypted));
        assert_eq!(seen.map_err(|error| *error), expected);
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_perhaps_the_rest() {
        check("http://127.0.0.1:8012", Ok(("127.0.0.1", 8012, "", false)));
        check(
            "https://API.example.com/v1/",
            Ok(("api.example.com", 443, "/v1", true)),
        );
        check("http://[::1]:9/x/y", Ok(("::1", 9, "/x/y", false)));
        check("http://[::1]", Ok(("::1", 80, "", false)));
        for wrong in [
            "",
            "box:80",
            "ftp://x",
            "http://",
            "http://:80",
            "http://a b",
            "http://a:0",
            "http://a:x",
            "http://a/\nb",
        ] {
            check(wrong, Err(AddressError::NoAddress));
        }
        check("https://me:secret@box/", Err(AddressError::HoldsSecret));
    }

    #[test]
    fn neither_a_query_nor_a_key_is_shown() {
        let address: Address = "https://box:8443/v1?key=s3cret".parse().unwrap();
        assert_eq!(address.target("/v1/models"), "/v1/models?key=s3cret");
        let key = Key::new(" s3cret\n").unwrap();
        assert_eq!(key.header(), "Bearer s3cret");
        let shown = format!("{address:?} {} {key:?}", address.host());
        assert_eq!(shown, "box:8443 box:8443 Key(hidden)");
        assert_eq!(Key::new("two words").or(Key::new(" ")), None);
    }

    #[test]
    fn this_machine_has_several_names() {
        let is_here = |text: &str| text.parse::<Address>().unwrap().is_here();
        assert!(
            is_here("http://localhost:1") && is_here("http://127.0.0.2") && is_here("http://[::1]")
        );
        assert!(!is_here("http://box") && !is_here("http://10.0.0.1"));
    }
}
