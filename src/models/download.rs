//! One file from an address into a folder: resumed where it broke off, checked, and there whole or not at all.
//!
//! While it comes it is called `NAME.part`, with a `NAME.part.json` that says which file it is a part of; a lock file
//! keeps others out. What came is hashed on the way, and the file takes its name when it is complete and right.

mod files;
mod told;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    hex,
    web::{Answer, Web, WebError},
};
use files::{NOTE, PART, lock, with_ending};
pub use files::{forget, unfinished};
use told::{broken, host, starts_at, strong, told_hash, total_of};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub url: &'a str,
    /// The file as it is to be called in the end.
    pub into: &'a Path,
    /// Known beforehand; it overrules what the server says.
    pub sha256: Option<&'a str>,
    pub size: Option<u64>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub bytes: u64,
    pub of: Option<u64>,
}

/// What is known of a file that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    pub url: String,
    pub bytes: u64,
    pub sha256: String,
    /// Somebody else said this hash, too: the catalogue or the server.
    pub is_verified: bool,
}

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How often in a row it may break off without anything having come.
    pub attempts: usize,
    /// Before the second attempt; the third waits twice as long, and so on.
    pub pause: Duration,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// Why a file was not fetched; a sentence for the user with the way out.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("stopped; what came is kept, and the next pull goes on from there")]
    Stopped,
    #[error("`{0}` is being fetched by another ghostline; wait for that one")]
    Busy(String),
    #[error("{0}; what came is kept, and the next pull goes on from there")]
    Broken(String),
    #[error("{0}")]
    Refused(String),
    #[error(
        "no room on the disk of `{folder}`: the model needs {needed}; make room and pull again"
    )]
    Full { folder: String, needed: String },
    #[error(
        "what came is not the file that was asked for (SHA-256 {found}, expected {expected}); it was deleted; pull again, and if that does not help, the file has changed where it comes from"
    )]
    WrongHash { found: String, expected: String },
    #[error(
        "the server has a file of {found} bytes, expected are {expected}; nothing was kept: the file has changed where it comes from"
    )]
    WrongSize { found: u64, expected: u64 },
    #[error("what comes from {0} is not a GGUF file; check the name")]
    NotGguf(String),
    #[error("cannot write `{0}`: {1}")]
    Disk(String, io::Error),
}

/// A server that wants to be left alone for longer is asked all the same after this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// While it waits, it looks so often whether it is to go on.
const LOOK: Duration = Duration::from_millis(100);

/// Of which file a part is.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Part {
    url: String,
    /// A strong `ETag` of who sent the bytes.
    etag: Option<String>,
    /// As told by the server.
    sha256: Option<String>,
    of: Option<u64>,
}

/// Fetches a file, or goes on with it. `progress` is called at least once in a while and says whether to go on.
pub fn download(
    web: &Web,
    wanted: &Wanted<'_>,
    retries: Retries,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Fetched, FetchError> {
    let folder = wanted.into.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| disk(folder, error))?;
    let _lock = lock(wanted.into)?;
    let mut work = Work::open(web, wanted)?;
    let mut failures = 0;
    loop {
        let before = work.bytes;
        match work.attempt(progress) {
            Ok(()) => return work.finish(),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Passing(reason, wanted)) => {
                // Who makes headway may break off as often as it likes.
                failures = if work.bytes > before { 1 } else { failures + 1 };
                if failures >= retries.attempts {
                    return Err(FetchError::Broken(reason));
                }
                tracing::info!("{reason}; trying again");
                let pause = retries.pause * (1 << (failures - 1).min(5));
                let until = Instant::now() + wanted.map_or(pause, |it| it.min(LONGEST_PAUSE));
                loop {
                    if !progress(work.progress()) {
                        return Err(FetchError::Stopped);
                    }
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    thread::sleep(left.min(LOOK));
                }
            }
        }
    }
}

/// Why an attempt ended.
enum Trouble {
    /// It may go well the next time, and when the server wants to be asked then.
    Passing(String, Option<Duration>),
    Final(FetchError),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Trouble {
        Trouble::Final(error)
    }
}

/// A download under way.
struct Work<'a> {
    web: &'a Web,
    wanted: &'a Wanted<'a>,
    file: File,
    hash: Sha256,
    /// How many are there and hashed.
    bytes: u64,
    part: Part,
}

impl<'a> Work<'a> {
    /// Takes up what there is.
    fn open(web: &'a Web, wanted: &'a Wanted<'a>) -> Result<Work<'a>, FetchError> {
        let path = with_ending(wanted.into, PART);
        let failed = |error| disk(&path, error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(failed)?;
        let mut work = Work {
            web,
            wanted,
            file,
            hash: Sha256::new(),
            bytes: 0,
            part: Part::default(),
        };
        let note = fs::read(with_ending(wanted.into, NOTE)).unwrap_or_default();
        let part: Part = serde_json::from_slice(&note).unwrap_or_default();
        let is_known = part.etag.is_some() || part.sha256.is_some() || wanted.sha256.is_some();
        if part.url == wanted.url && is_known {
            work.bytes = io::copy(&mut work.file, &mut work.hash).map_err(failed)?;
            work.part = part;
        }
        Ok(work)
    }

    fn progress(&self) -> Progress {
        Progress {
            bytes: self.bytes,
            of: self.part.of.or(self.wanted.size),
        }
    }

    /// One request, and everything that comes of it.
    fn attempt(&mut self, progress: &mut dyn FnMut(Progress) -> bool) -> Result<(), Trouble> {
        let mut headers = vec![("accept-encoding", "identity".to_owned())];
        if self.bytes > 0 {
            headers.push(("range", format!("bytes={}-", self.bytes)));
            headers.extend(self.part.etag.clone().map(|etag| ("if-range", etag)));
        }
        let answer = self.web.get(self.wanted.url, &headers);
        let answer = answer.map_err(|error| match error {
            WebError::Broken(reason) => Trouble::Passing(reason, None),
            error => FetchError::Refused(error.to_string()).into(),
        })?;
        match answer.status {
            200 => self.start_anew()?,
            206 if starts_at(&answer) == Some(self.bytes) && self.is_same(&answer) => {}
            // Another part than was asked for, or of another file.
            206 | 416 if self.bytes > 0 => {
                let of = answer.header("content-range").and_then(total_of);
                if answer.status == 416 && of == Some(self.bytes) && self.is_same(&answer) {
                    self.part.of = of;
                    return Ok(());
                }
                self.start_anew()?;
                return Err(Trouble::Passing(
                    "the file has changed where it comes from; it is fetched anew".to_owned(),
                    None,
                ));
            }
            status => return Err(self.refusal(status, answer.header("retry-after"))),
        }
        self.note(&answer)?;
        self.receive(answer.reader(), progress)
    }

    /// Whether an answer is about the file that there is a part of, as far as it says.
    fn is_same(&self, answer: &Answer) -> bool {
        let agrees = |old: &Option<String>, new: Option<String>| {
            old.is_none() || new.is_none() || *old == new
        };
        agrees(&self.part.sha256, told_hash(answer)) && agrees(&self.part.etag, strong(answer))
    }

    /// Writes down which file this is a part of, and looks whether it is the right one and fits.
    fn note(&mut self, answer: &Answer) -> Result<(), FetchError> {
        let length: Option<u64> = answer
            .header("content-length")
            .and_then(|it| it.parse().ok());
        let of = match answer.status {
            206 => answer.header("content-range").and_then(total_of),
            _ => length,
        };
        let told = answer.told("x-linked-size").and_then(|it| it.parse().ok());
        // Of the rest of a file less may be said than of its beginning.
        let before = match answer.status {
            206 => std::mem::take(&mut self.part),
            _ => Part::default(),
        };
        self.part = Part {
            url: self.wanted.url.to_owned(),
            etag: strong(answer).or(before.etag),
            sha256: told_hash(answer).or(before.sha256),
            of: of.or(told).or(before.of),
        };
        if let (Some(found), Some(expected)) = (self.part.of, self.wanted.size.or(told))
            && found != expected
        {
            self.discard();
            return Err(FetchError::WrongSize { found, expected });
        }
        let left = self.part.of.map(|of| of.saturating_sub(self.bytes));
        let folder = self.wanted.into.parent().unwrap_or(Path::new("."));
        if let (Some(left), Some(free)) = (left, super::store::free_space(folder))
            && free < left
        {
            return Err(self.full());
        }
        let path = with_ending(self.wanted.into, NOTE);
        let note = serde_json::to_vec(&self.part).unwrap_or_default();
        fs::write(&path, note).map_err(|error| self.unwritable(&path, error))
    }

    fn receive(
        &mut self,
        mut from: impl Read,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), Trouble> {
        let mut chunk = vec![0; 1 << 18];
        loop {
            if !progress(self.progress()) {
                return Err(FetchError::Stopped.into());
            }
            let n_read = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(n_read) => n_read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Trouble::Passing(broken(&error), None)),
            };
            let chunk = &chunk[..n_read];
            if self.bytes == 0 && !b"GGUF".starts_with(&chunk[..n_read.min(4)]) {
                self.discard();
                return Err(FetchError::NotGguf(host(self.wanted.url)).into());
            }
            if let Err(error) = self.file.write_all(chunk) {
                let path = with_ending(self.wanted.into, PART);
                return Err(self.unwritable(&path, error).into());
            }
            self.hash.update(chunk);
            self.bytes += n_read as u64;
            if self.part.of.is_some_and(|of| self.bytes > of) {
                break;
            }
        }
        match self.part.of {
            Some(of) if self.bytes < of => {
                let found = self.bytes;
                let reason = format!("the connection broke off after {found} of {of} bytes");
                Err(Trouble::Passing(reason, None))
            }
            _ => Ok(()),
        }
    }

    /// The file is complete: checks it and gives it its name.
    fn finish(mut self) -> Result<Fetched, FetchError> {
        let size = self.wanted.size.or(self.part.of);
        if let Some(expected) = size.filter(|&size| size != self.bytes) {
            self.discard();
            let found = self.bytes;
            return Err(FetchError::WrongSize { found, expected });
        }
        let found = hex(&std::mem::take(&mut self.hash).finalize());
        let expected = self.wanted.sha256.or(self.part.sha256.as_deref());
        if let Some(expected) = expected.filter(|it| !it.eq_ignore_ascii_case(&found)) {
            let expected = expected.to_owned();
            self.discard();
            return Err(FetchError::WrongHash { found, expected });
        }
        let is_verified = expected.is_some();
        let failed = |error| disk(self.wanted.into, error);
        self.file.sync_all().map_err(failed)?;
        fs::rename(with_ending(self.wanted.into, PART), self.wanted.into).map_err(failed)?;
        #[cfg(unix)]
        if let Some(folder) = self.wanted.into.parent() {
            // The name, too, is to be there after a power cut.
            _ = File::open(folder).and_then(|it| it.sync_all());
        }
        _ = fs::remove_file(with_ending(self.wanted.into, NOTE));
        Ok(Fetched {
            url: self.wanted.url.to_owned(),
            bytes: self.bytes,
            sha256: found,
            is_verified,
        })
    }

    fn start_anew(&mut self) -> Result<(), FetchError> {
        self.hash = Sha256::new();
        self.bytes = 0;
        self.part = Part::default();
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        // A device has no length.
        match emptied {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                Err(disk(&with_ending(self.wanted.into, PART), error))
            }
            _ => Ok(()),
        }
    }

    fn discard(&self) {
        for ending in [PART, NOTE] {
            _ = fs::remove_file(with_ending(self.wanted.into, ending));
        }
    }

    fn unwritable(&self, path: &Path, error: io::Error) -> FetchError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.full(),
            _ => disk(path, error),
        }
    }

    /// There is no room: what there is of the file goes, as it only fills the disk.
    fn full(&self) -> FetchError {
        self.discard();
        let folder = self.wanted.into.parent().unwrap_or(Path::new("."));
        let needed = self
            .progress()
            .of
            .map_or_else(|| "more".to_owned(), super::size);
        FetchError::Full {
            folder: folder.display().to_string(),
            needed,
        }
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>) -> Trouble {
        let host = host(self.wanted.url);
        let token = if self.web.has_token() {
            "the token in HF_TOKEN may not see it; accept the model's licence on its page"
        } else {
            "it may have a licence to accept on its page; set HF_TOKEN to a token of your account"
        };
        let refused = |sentence: String| Trouble::Final(FetchError::Refused(sentence));
        match status {
            401 | 403 => refused(format!(
                "{host} does not give this file away ({status}): {token}"
            )),
            404 | 410 => refused(format!(
                "{host} has no such file ({status}); check the name"
            )),
            429 => {
                let when = retry_after.and_then(|it| it.trim().parse().ok());
                let reason = format!("{host} is asked too often (429)");
                Trouble::Passing(reason, when.map(Duration::from_secs))
            }
            500.. => Trouble::Passing(format!("{host} has a problem of its own ({status})"), None),
            _ => refused(format!("{host} answers with status {status}")),
        }
    }
}

fn disk(path: &Path, error: io::Error) -> FetchError {
    FetchError::Disk(path.display().to_string(), error)
}
