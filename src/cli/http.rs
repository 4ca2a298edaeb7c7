//! As much of HTTP/1.1 as it takes to stream an answer from a server on the same machine or network: one
//! request per connection, no TLS, no redirects.

use std::{
    io::{self, BufRead, Read},
    str::FromStr,
};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Host and port, as a socket wants them.
    pub(super) address: String,
    /// With its slash; `/` when nothing else was said.
    pub(super) path: String,
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Url, &'static str> {
        const EXPECTED: &str = "expected http://HOST:PORT, for example http://127.0.0.1:8012";
        if text.starts_with("https://") {
            return Err("only http:// is spoken here; name a server on this machine or network");
        }
        let rest = text.strip_prefix("http://").ok_or(EXPECTED)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() || host.contains(['@', '?', '#']) || host.contains(char::is_whitespace) {
            return Err(EXPECTED);
        }
        // A colon inside the brackets of an IPv6 address is not that of a port.
        let has_port = host.rfind(':') > host.rfind(']');
        let address = if has_port {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        Ok(Url {
            address,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// The bytes of a request that posts JSON.
pub(super) fn post(url: &Url, body: &str) -> Vec<u8> {
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        url.path,
        url.address,
        body.len()
    )
    .into_bytes()
}

/// An answer whose head has been read.
pub(super) struct Response<R> {
    pub(super) status: u16,
    pub(super) body: Body<R>,
}

/// The content of an answer, as it comes.
pub(super) struct Body<R> {
    stream: R,
    left: Left,
}

enum Left {
    UntilEnd,
    /// Bytes.
    Known(u64),
    /// Bytes of the chunk at hand; the next one follows.
    Chunk(u64),
    Nothing,
}

impl<R: BufRead> Response<R> {
    /// Reads the head of an answer.
    pub(super) fn read(mut stream: R) -> io::Result<Response<R>> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "that is no HTTP answer");
        let first = line(&mut stream)?;
        let mut words = first.split(' ');
        let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.filter(|_| is_http).ok_or_else(broken)?;
        let mut left = Left::UntilEnd;
        loop {
            let header = line(&mut stream)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').ok_or_else(broken)?;
            if name.eq_ignore_ascii_case("transfer-encoding") && value.contains("chunked") {
                left = Left::Chunk(0);
            } else if name.eq_ignore_ascii_case("content-length") && !matches!(left, Left::Chunk(_))
            {
                left = Left::Known(value.trim().parse().map_err(|_| broken())?);
            }
        }
        Ok(Response {
            status,
            body: Body { stream, left },
        })
    }
}

impl<R: BufRead> Body<R> {
    fn next_chunk(&mut self) -> io::Result<()> {
        let mut size = line(&mut self.stream)?;
        if size.is_empty() {
            // The end of the chunk before.
            size = line(&mut self.stream)?;
        }
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk has no size"))?;
        self.left = if size == 0 {
            Left::Nothing
        } else {
            Left::Chunk(size)
        };
        Ok(())
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.left, Left::Chunk(0)) {
            self.next_chunk()?;
        }
        match &mut self.left {
            Left::UntilEnd => self.stream.read(buffer),
            Left::Nothing => Ok(0),
            Left::Known(left) | Left::Chunk(left) => {
                let wanted = buffer
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                let n_read = self.stream.read(&mut buffer[..wanted])?;
                *left -= n_read as u64;
                Ok(n_read)
            }
        }
    }
}

/// A line without its end; an error where there is none.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    const LONGEST: u64 = 16 * 1024;
    let mut line = String::new();
    stream.take(LONGEST).read_line(&mut line)?;
    let Some(without) = line.strip_suffix('\n') else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    Ok(without.trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_url(text: &str, expected: Option<(&str, &str)>) {
        let url: Option<Url> = text.parse().ok();
        let url = url
            .as_ref()
            .map(|url| (url.address.as_str(), url.path.as_str()));
        assert_eq!(url, expected);
    }

    #[test]
    fn a_url_is_plain_http_with_a_host() {
        check_url("http://127.0.0.1:8012", Some(("127.0.0.1:8012", "/")));
        check_url("http://box/infill", Some(("box:80", "/infill")));
        check_url("http://[::1]:9/x", Some(("[::1]:9", "/x")));
        check_url("http://[::1]/x", Some(("[::1]:80", "/x")));
        for wrong in [
            "https://box",
            "box:80",
            "http://",
            "http:///x",
            "http://a@b/",
        ] {
            check_url(wrong, None);
        }
    }

    #[track_caller]
    fn check(stream: &str, expected: Result<(u16, &str), io::ErrorKind>) {
        let read = Response::read(stream.as_bytes()).and_then(|mut response| {
            let mut body = String::new();
            response.body.read_to_string(&mut body)?;
            Ok((response.status, body))
        });
        let read = read.as_ref().map(|(status, body)| (*status, body.as_str()));
        assert_eq!(read.map_err(io::Error::kind), expected);
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
            Ok((200, "ab")),
        );
        check("HTTP/1.1 404 Not Found\r\n\r\nabc", Ok((404, "abc")));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\nrest",
            Ok((200, "abc")),
        );
    }

    #[test]
    fn what_is_cut_or_no_http_is_an_error() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        check("", Err(UnexpectedEof));
        check("HTTP/1.1 200 OK\r\nA: b\r\n", Err(UnexpectedEof));
        check("SSH-2.0\r\n\r\n", Err(InvalidData));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err(UnexpectedEof),
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            Err(InvalidData),
        );
    }
}
