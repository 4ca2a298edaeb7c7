//! The client against servers on this machine that stream, stall, refuse and are not there.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, Sender, channel},
};

use super::*;

/// What a server does with a request.
enum Does {
    /// Writes this and closes.
    Answers(String),
    /// Writes this and waits until the client has gone away, which it tells.
    Stalls(&'static str, Sender<()>),
}

/// A server on this machine that does one thing per connection. Gives the bodies it was sent.
fn server(does: Vec<Does>) -> (SocketAddr, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = channel();
    thread::spawn(move || {
        // The first connection only looks whether somebody is there.
        drop(listener.accept().unwrap());
        for does in does {
            let (mut stream, _) = listener.accept().unwrap();
            sender.send(request(&mut stream)).unwrap();
            thread::spawn(move || match does {
                Does::Answers(bytes) => stream.write_all(bytes.as_bytes()).unwrap(),
                Does::Stalls(bytes, gone) => {
                    stream.write_all(bytes.as_bytes()).unwrap();
                    // Ends, one way or the other, when the client closes.
                    let _ = stream.read(&mut [0]);
                    gone.send(()).unwrap();
                }
            });
        }
    });
    (address, bodies)
}

fn request(stream: &mut TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// An answer in pieces; the last one comes with the account.
fn pieces(pieces: &[&str]) -> String {
    let mut stream = HEAD.to_owned();
    for piece in pieces {
        let said = json!({"content": piece, "stop": false, "timings": {"prompt_n": 250, "predicted_n": 2, "predicted_ms": 1.5}});
        stream += &format!("data: {said}\n\n");
    }
    stream + &format!("data: {}\n\n", json!({"content": "", "stop": true}))
}

fn client(address: SocketAddr) -> Infill {
    let url = format!("http://{address}").parse().unwrap();
    Infill::start(&url, Profile::Eager, 16).unwrap()
}

/// The next answer or error; what comes before it is left out.
fn next(client: &mut Infill) -> anyhow::Result<(usize, String)> {
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match client.receive(deadline)?.expect("something comes") {
            Event::Answer { key, items, .. } => {
                let items = items.expect("this peer refuses nothing");
                let ghost = crate::cli::editor::ghost_text(&items[0], "", 0);
                return Ok((key, ghost.unwrap_or_default()));
            }
            Event::Asked { .. } | Event::Cost { .. } => {}
        }
    }
}

#[test]
fn an_answer_is_streamed_up_to_the_end_of_its_first_line() {
    let (address, bodies) = server(vec![
        Does::Answers(pieces(&["let ", "x = 1;\nlet", " y"])),
        Does::Answers(pieces(&["all ", "there is"])),
    ]);
    let mut client = client(address);
    client.press(7, None, ("fn f() {\n    |\n}\n", 13)).unwrap();
    assert_eq!(next(&mut client).unwrap(), (7, "let x = 1;".to_owned()));
    client.press(8, None, ("ab", 1)).unwrap();
    assert_eq!(next(&mut client).unwrap(), (8, "all there is".to_owned()));
    assert_eq!(bodies.recv().unwrap()["n_predict"], 16);
}

#[test]
fn what_an_answer_took_is_known_with_it() {
    let (address, _bodies) = server(vec![Does::Answers(pieces(&["x\n"]))]);
    let mut client = client(address);
    client.press(0, None, ("ab", 1)).unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    let cost = loop {
        if let Some(Event::Cost { cost, .. }) = client.receive(deadline).unwrap() {
            break cost;
        }
    };
    assert_eq!(cost.usage.evaluated_tokens, 250);
    assert_eq!(cost.usage.generated_tokens, 2);
    assert_eq!(cost.usage.decode_us, 1500);
}

#[test]
fn the_next_key_closes_the_stream_of_a_slow_answer() {
    let (gone, is_gone) = channel();
    let slow = "HTTP/1.1 200 OK\r\n\r\ndata: {\"content\": \"x\"}\n\n";
    let (address, _bodies) = server(vec![
        Does::Stalls(slow, gone),
        Does::Answers(pieces(&["fast\n"])),
    ]);
    let mut client = client(address);
    client.press(0, None, ("ab", 1)).unwrap();
    client.press(1, None, ("abc", 2)).unwrap();
    is_gone
        .recv()
        .expect("the server sees that the stream is closed");
    assert_eq!(next(&mut client).unwrap(), (1, "fast".to_owned()));
}

#[test]
fn an_error_of_the_server_is_said() {
    let refusal = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 9\r\n\r\nno infill";
    let (address, _bodies) = server(vec![Does::Answers(refusal.to_owned())]);
    let mut client = client(address);
    client.press(0, None, ("ab", 1)).unwrap();
    let error = next(&mut client).unwrap_err();
    assert_eq!(error.to_string(), "the server answers 501: no infill");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Infill::start(&url.parse().unwrap(), Profile::Eager, 16).err();
    let error = error.expect("nobody listens").to_string();
    assert!(
        error.starts_with(&format!("nothing answers at `{url}`")),
        "{error}"
    );
}

#[track_caller]
fn check_body(text_with_cursor: &str, [prefix, prompt, suffix]: [&str; 3]) {
    let cursor = text_with_cursor.find('|').unwrap();
    let (body, _) = body(&text_with_cursor.replace('|', ""), cursor, 16);
    assert_eq!(body["input_prefix"], prefix);
    assert_eq!(body["prompt"], prompt);
    assert_eq!(body["input_suffix"], suffix);
}

#[test]
fn the_windows_are_those_of_llama_vim() {
    check_body("a\nb\n  c|d\ne\nf\n", ["a\nb\n", "  c", "d\ne\nf\n"]);
    check_body("a\n    |\nb\n", ["a\n", "", "\nb\n"]);
    check_body("|", ["\n", "", "\n\n"]);
    let lines: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let text = lines.join("\n");
    let cursor = text.find("\n300\n").unwrap() + 1;
    let (body, _) = body(&text, cursor, 16);
    let prefix = body["input_prefix"].as_str().unwrap();
    assert!(prefix.starts_with("44\n") && prefix.ends_with("\n299\n"));
    let suffix = body["input_suffix"].as_str().unwrap();
    assert!(suffix.starts_with("300\n301\n") && suffix.ends_with("\n364\n"));
}

#[test]
fn indentation_that_stands_already_is_not_shown_again() {
    let lines = "data: {\"content\": \"    x\\n\", \"stop\": true}\n\n";
    let stream = format!("{HEAD}{lines}");
    let shown = |lead: &str| answer(stream.as_bytes(), lead).unwrap().map(|it| it.text);
    assert_eq!(shown("  ").as_deref(), Some("  x"));
    assert_eq!(shown("").as_deref(), Some("    x"));
}
