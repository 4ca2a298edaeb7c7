//! A server as they are out there: it answers as a test wants it to, badly above all, and keeps every byte that it was
//! sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// What it does with a question.
#[derive(Clone, Debug)]
pub enum Act {
    /// Streams these pieces, and ends as such a server does.
    Say(Vec<&'static str>),
    /// The same, and then nothing for ever.
    SayAndWait(Vec<&'static str>),
    /// The same, and breaks off.
    SayAndCut(Vec<&'static str>),
    /// The same as [`Act::Say`], so late.
    SayAfter(Duration, Vec<&'static str>),
    /// Keeps the connection open with comments, and says nothing.
    Ping,
    /// Exactly this, after the head of an answer with this type.
    Raw(&'static str, &'static str),
    /// A status, with another line of the head.
    Status(u16, &'static str),
    /// Not a byte.
    Silence,
    /// Closes the connection without a word.
    HangUp,
}

/// What it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A llama.cpp server with a model of the Qwen family.
    Llama,
    /// Its model is of no family that is known.
    UnknownLlama,
    /// An OpenAI-compatible server, with the list of its models.
    OpenAi(&'static str),
    /// Anything with a web page.
    Website,
}

pub const QWEN: [(&str, i64); 6] = [
    ("<|fim_prefix|>", 11),
    ("<|fim_suffix|>", 12),
    ("<|fim_middle|>", 13),
    ("<|repo_name|>", 14),
    ("<|file_sep|>", 15),
    ("<|endoftext|>", 16),
];

#[derive(Clone)]
pub struct Faulty(Arc<State>);

struct State {
    address: SocketAddr,
    kind: Kind,
    act: Mutex<Act>,
    /// Requests whole: head and body.
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// Streams that the client has cut off.
    cut: AtomicUsize,
    is_gone: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Faulty {
    pub fn start(kind: Kind, act: Act) -> Faulty {
        Faulty::at("127.0.0.1:0".parse().unwrap(), kind, act)
    }

    /// At an address where another one was.
    pub fn at(address: SocketAddr, kind: Kind, act: Act) -> Faulty {
        let listener = TcpListener::bind(address).expect("the port is free");
        let faulty = Faulty(Arc::new(State {
            address: listener.local_addr().unwrap(),
            kind,
            act: Mutex::new(act),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
            open: Mutex::default(),
        }));
        let of_thread = faulty.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.0.is_gone.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                of_thread.0.connections.fetch_add(1, Ordering::SeqCst);
                of_thread
                    .0
                    .open
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                let server = of_thread.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        faulty
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub fn act(&self, act: Act) {
        *self.0.act.lock().unwrap() = act;
    }

    /// The process dies: everything is closed, nobody listens.
    pub fn die(&self) {
        self.0.is_gone.store(true, Ordering::SeqCst);
        for stream in self.0.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the listener.
        let _ = TcpStream::connect(self.0.address);
        while TcpStream::connect(self.0.address).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Closes the connections that there are; goes on listening.
    pub fn hang_up_idle(&self) {
        for stream in self.0.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    pub fn requests(&self) -> Vec<String> {
        self.0.requests.lock().unwrap().clone()
    }

    /// The bodies of questions.
    pub fn questions(&self) -> Vec<Value> {
        let requests = self.requests();
        let questions = requests.iter().filter(|it| is_question(it));
        questions
            .map(|request| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
            .collect()
    }

    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// Waits until the client has cut off so many streams.
    pub fn until_cut(&self, count: usize) {
        for _ in 0..5_000 {
            if self.0.cut.load(Ordering::SeqCst) >= count {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("nothing was cut off");
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(request) = read(&mut reader) {
            self.0.requests.lock().unwrap().push(request.clone());
            let answered = match is_question(&request) {
                true => self.answer(&mut stream),
                false => self.introduce(&mut stream, &request),
            };
            if !answered {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }

    /// Answers what a client asks before its first question.
    fn introduce(&self, stream: &mut TcpStream, request: &str) -> bool {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let answer = match (self.0.kind, path) {
            (Kind::Llama | Kind::UnknownLlama, "/props") => Some(json!({
                "default_generation_settings": {"n_ctx": 4096},
                "total_slots": 1,
                "model_alias": "fake",
                "model_path": "/models/fake.gguf",
            })),
            (Kind::Llama, "/tokenize") => {
                let tokens = QWEN.map(|(piece, id)| json!({"id": id, "piece": piece}));
                Some(json!({"tokens": tokens}))
            }
            (Kind::UnknownLlama, "/tokenize") => Some(json!({"tokens": [{"id": 1, "piece": "<"}]})),
            (Kind::OpenAi(models), "/v1/models") => Some(serde_json::from_str(models).unwrap()),
            _ => None,
        };
        let (status, kind, body) = match (answer, self.0.kind) {
            (Some(answer), _) => (200, "application/json", answer.to_string()),
            (None, Kind::Website) => (200, "text/html", "<html>hello</html>".to_owned()),
            (None, _) => (404, "application/json", "{\"error\":{}}".to_owned()),
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).is_ok()
    }

    /// Whether the connection goes on.
    fn answer(&self, stream: &mut TcpStream) -> bool {
        let act = self.0.act.lock().unwrap().clone();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        if let Act::SayAfter(delay, _) = act {
            thread::sleep(delay);
        }
        match act {
            Act::Say(pieces) | Act::SayAfter(_, pieces) => {
                let said = stream.write_all(head.as_bytes()).is_ok() && self.say(stream, &pieces);
                let end = match self.0.kind {
                    Kind::OpenAi(_) => "data: [DONE]\n\n".to_owned(),
                    _ => event(&json!({
                        "content": "", "stop": true, "stop_type": "eos",
                        "timings": {"prompt_n": 20, "predicted_n": pieces.len()},
                    })),
                };
                said && chunk(stream, &end) && stream.write_all(b"0\r\n\r\n").is_ok()
            }
            Act::SayAndWait(pieces) => {
                let _ = stream.write_all(head.as_bytes());
                self.say(stream, &pieces);
                // Ends when the client closes.
                let mut byte = [0];
                if !matches!(stream.read(&mut byte), Ok(1)) {
                    self.0.cut.fetch_add(1, Ordering::SeqCst);
                }
                false
            }
            Act::SayAndCut(pieces) => {
                let _ = stream.write_all(head.as_bytes());
                self.say(stream, &pieces);
                false
            }
            Act::Ping => {
                let mut goes_on = stream.write_all(head.as_bytes()).is_ok();
                while goes_on {
                    thread::sleep(Duration::from_millis(10));
                    goes_on = chunk(stream, ": ping\n\n");
                }
                false
            }
            Act::Raw(kind, body) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(head.as_bytes()).is_ok()
            }
            Act::Status(status, line) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\n{line}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
                );
                stream.write_all(head.as_bytes()).is_ok()
            }
            Act::Silence => {
                let mut byte = [0];
                if !matches!(stream.read(&mut byte), Ok(1)) {
                    self.0.cut.fetch_add(1, Ordering::SeqCst);
                }
                false
            }
            Act::HangUp => false,
        }
    }

    fn say(&self, stream: &mut TcpStream, pieces: &[&str]) -> bool {
        pieces.iter().all(|piece| {
            let said = match self.0.kind {
                Kind::OpenAi(_) => {
                    json!({"choices": [{"text": piece, "logprobs": {"token_logprobs": [-0.1]}}]})
                }
                _ => json!({
                    "content": piece, "stop": false,
                    "completion_probabilities": [{"token": piece, "logprob": -0.1}],
                }),
            };
            chunk(stream, &event(&said))
        })
    }
}

fn is_question(request: &str) -> bool {
    let path = request.split(' ').nth(1).unwrap_or_default();
    request.starts_with("POST") && !path.ends_with("/tokenize")
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn chunk(stream: &mut TcpStream, text: &str) -> bool {
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    stream.write_all(chunk.as_bytes()).is_ok()
}

/// A request, whole.
fn read(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[start..].to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}
