//! What a server's answers say about a file, in their headers, and what is said of one that falls silent.

use std::io;

use super::super::web::{self, Answer};

/// The hash that the hub tells of a file: its `ETag` is one for files of the kind that models are.
pub(super) fn told_hash(answer: &Answer) -> Option<String> {
    let etag = answer.told("x-linked-etag")?.trim_matches('"');
    let is_hash = etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| etag.to_lowercase())
}

/// An `ETag` that stands for exactly these bytes.
pub(super) fn strong(answer: &Answer) -> Option<String> {
    let etag = answer.header("etag")?;
    etag.starts_with('"').then(|| etag.to_owned())
}

/// Where the part begins, by `Content-Range: bytes 3-9/10`.
pub(super) fn starts_at(answer: &Answer) -> Option<u64> {
    let range = answer.header("content-range")?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

pub(super) fn total_of(content_range: &str) -> Option<u64> {
    content_range.rsplit('/').next()?.trim().parse().ok()
}

/// The host of an address, and no more: the rest may hold a signature.
pub(super) fn host(url: &str) -> String {
    url.parse()
        .map_or_else(|_| "the server".to_owned(), |url| web::place(&url))
}

pub(super) fn broken(error: &io::Error) -> String {
    let is_timeout = matches!(
        error
            .get_ref()
            .and_then(|it| it.downcast_ref::<ureq::Error>()),
        Some(ureq::Error::Timeout(_))
    ) || matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    );
    if is_timeout {
        "nothing comes any more".to_owned()
    } else {
        format!("the connection broke off: {error}")
    }
}
