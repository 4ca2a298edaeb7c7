//! A hub for tests: HTTP over a socket of this machine, with all the ways in which a server can misbehave.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub target: String,
    pub headers: HashMap<String, String>,
}

impl Request {
    /// Where a wanted range begins.
    pub fn from(&self) -> Option<usize> {
        let range = self.headers.get("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Sends so many bytes of the body, and then …
    pub ends_after: Option<usize>,
    /// … says nothing more instead of hanging up.
    pub stalls: bool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
            ends_after: None,
            stalls: false,
        }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn broken_after(mut self, n_bytes: usize) -> Reply {
        self.ends_after = Some(n_bytes);
        self
    }

    pub fn stalled_after(mut self, n_bytes: usize) -> Reply {
        self.ends_after = Some(n_bytes);
        self.stalls = true;
        self
    }

    pub fn redirect(to: impl ToString) -> Reply {
        Reply::new(302, "").with("location", to)
    }
}

/// What a good server says when it is asked for a file.
pub fn file(request: &Request, bytes: &[u8], etag: &str) -> Reply {
    let is_same = request.headers.get("if-range").is_none_or(|it| it == etag);
    match request.from().filter(|_| is_same) {
        Some(from) if from >= bytes.len() => {
            Reply::new(416, "").with("content-range", format!("bytes */{}", bytes.len()))
        }
        Some(from) => Reply::new(206, &bytes[from..]).with(
            "content-range",
            format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
        ),
        None => Reply::new(200, bytes),
    }
    .with("etag", etag)
}

/// Answers until it is dropped.
pub struct Hub {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    /// `answer` hears the request and how many came before it.
    pub fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let answer = Arc::new(answer);
        let (heard, over): (Arc<Mutex<Vec<Request>>>, _) = (Arc::clone(&requests), is_over.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (heard, answer) = (heard.clone(), answer.clone());
                thread::spawn(move || serve(stream, &heard, &*answer));
            }
        });
        Hub {
            address,
            requests,
            is_over,
            thread: Some(thread),
        }
    }

    /// A hub that has one file and no faults.
    pub fn with_file(bytes: &[u8]) -> Hub {
        let bytes = bytes.to_vec();
        Hub::start(move |request, _| file(request, &bytes, "\"one\""))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up.
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(
    mut stream: TcpStream,
    heard: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request, usize) -> Reply,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let Some(mut request) = read(&mut lines) else {
        return;
    };
    // A proxy's way to somewhere else: all ways lead here.
    if let Some(host) = request.target.strip_prefix("CONNECT ") {
        let host = host.to_owned();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let Some(inner) = read(&mut lines) else {
            return;
        };
        request = inner;
        request.target = format!("{host}{}", request.target);
    }
    let n_before = {
        let mut heard = heard.lock().unwrap();
        heard.push(request.clone());
        heard.len() - 1
    };
    let reply = answer(&request, n_before);
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", reply.status);
    if !reply
        .headers
        .iter()
        .any(|(name, _)| name == "content-length")
    {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let len = reply
        .ends_after
        .unwrap_or(reply.body.len())
        .min(reply.body.len());
    // Fails when the client has had enough.
    let _ = stream
        .write_all(format!("{head}\r\n").as_bytes())
        .and_then(|()| stream.write_all(&reply.body[..len]));
    if reply.stalls {
        // Until the client hangs up.
        let _ = lines.read_to_end(&mut Vec::new());
    }
}

fn read(lines: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let target = match method {
        "GET" => target.to_owned(),
        method => format!("{method} {target}"),
    };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            return Some(Request { target, headers });
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
}
