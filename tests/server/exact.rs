//! With the built-in model and everything on that saves work, the server says what one says that computes everything anew.

use ghostline::{
    engine::{
        Loader,
        llama::{self, Options},
    },
    models,
};
use serde_json::{Value, json};

use crate::typist::{Elsewhere, Typist};

const RUST: &str = "struct Stack {\n    items: Vec<u32>,\n}\n\nimpl Stack {\n    fn push(&mut self, it: u32) {\n        self.items.push(it);\n    }\n\n    fn pop(&mut self) -> Option<u32> {\n        self.items.pop()\n    }\n}\n";
const OTHER: &str = "fn area(w: u32, h: u32) -> u32 {\n    w * h\n}\n\nfn main() {\n    let a = area(2, 3);\n    let b = area(4, 5);\n    println!(\"{a} {b}\");\n}\n";

fn loader() -> Loader {
    let options = Options {
        threads: Some(1),
        gpu_layers: Some(0),
        ..Options::default()
    };
    llama::loader(models::builtin().expect("it can be written"), options)
}

/// What a person does; then they look.
#[derive(Clone, Debug)]
enum Act {
    /// The next character of the ghost text, if there is any.
    Along,
    Types(&'static str),
    Deletes,
    Accepts,
    /// Takes back what was done last in this file.
    Undoes,
    Goes(usize),
    Turns,
    /// Asks, and cancels before the answer.
    Cancels,
}

/// Somebody who does the same in front of every server: what is shown decides nothing but what was recorded.
struct Person {
    typist: Typist,
    elsewhere: Elsewhere,
}

/// What a server said at a place.
#[derive(Debug)]
struct Said {
    ghost: Option<String>,
    source: String,
}

impl Person {
    async fn at_work(engine: Value) -> Person {
        let settings = json!({
            "engine": engine,
            "completion": {
                "max_tokens": 8, "multi_line": false, "min_confidence": 0.0, "partial_lines": false,
            },
            "eagerness": {"after_delete": true, "repeat_rejected": true, "back_off": 0},
        });
        let mut typist = Typist::with_model(loader, settings, &format!("{RUST}|")).await;
        let elsewhere = typist.opens("file:///b.rs", OTHER).await;
        Person { typist, elsewhere }
    }

    /// Puts the cursor and the text where they were when it was recorded.
    async fn is_at(&mut self, place: &Place) -> Said {
        if self.typist.uri != place.uri {
            self.typist.turns_to(&mut self.elsewhere);
        }
        if self.typist.mirror.text != place.text {
            self.typist.becomes(&place.text).await;
        }
        self.typist.at = place.at;
        self.looks().await
    }

    async fn looks(&mut self) -> Said {
        let seen = self.typist.looks().await;
        Said {
            ghost: seen.ghost,
            source: seen.source,
        }
    }
}

struct Place {
    uri: String,
    text: String,
    at: usize,
}

/// Where lines end, not too far from their start: a longer tail would have the head made anew at a moment of its own.
fn ends(text: &str) -> Vec<usize> {
    let lines = text.match_indices('\n').map(|(at, _)| at);
    lines
        .filter(|at| at - text[..*at].rfind('\n').map_or(0, |it| it + 1) < 28)
        .collect()
}

#[cfg(target_arch = "x86_64")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_with_everything_on_is_what_is_said_when_everything_is_computed_anew() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % n
    };
    let mut person = Person::at_work(json!({})).await;
    let (mut places, mut ghost) = (Vec::new(), None::<String>);
    let mut undo: Vec<(String, String)> = Vec::new();
    for _ in 0..160 {
        let typist = &mut person.typist;
        let (before, line) = (
            typist.mirror.text.clone(),
            typist.mirror.text[..typist.at].rfind('\n'),
        );
        let is_long = typist.at - line.map_or(0, |it| it + 1) > 34;
        let act = match below(20) {
            _ if is_long => Act::Goes(below(100)),
            0..=5 => Act::Along,
            6..=9 => Act::Types(["s", ".", "(", " ", "l", "i", ";"][below(7)]),
            10..=11 => Act::Deletes,
            12 => Act::Accepts,
            13..=14 => Act::Undoes,
            15..=16 => Act::Goes(below(100)),
            17 => Act::Turns,
            _ => Act::Cancels,
        };
        match act {
            Act::Along => {
                let next = ghost.as_ref().and_then(|ghost| ghost.chars().next());
                typist.types(&next.unwrap_or('e').to_string()).await;
            }
            Act::Types(text) => typist.types(text).await,
            Act::Deletes if typist.at > 0 && !before[..typist.at].ends_with('\n') => {
                typist.deletes(1).await;
            }
            Act::Deletes => {}
            Act::Accepts => typist.types(&ghost.clone().unwrap_or_default()).await,
            Act::Undoes => {
                if let Some((uri, text)) = undo.pop()
                    && uri == typist.uri
                {
                    typist.becomes(&text).await;
                }
            }
            Act::Goes(nth) => {
                let ends = ends(&typist.mirror.text);
                typist.at = ends[nth % ends.len()];
            }
            Act::Turns => typist.turns_to(&mut person.elsewhere),
            Act::Cancels => {
                let id = typist.asks().await;
                typist
                    .server
                    .notify("$/cancelRequest", json!({"id": id}))
                    .await;
                typist.saw(id).await;
            }
        }
        if person.typist.mirror.text != before {
            undo.push((person.typist.uri.clone(), before));
        }
        let said = person.looks().await;
        ghost = said.ghost.clone();
        let typist = &person.typist;
        places.push((
            Place {
                uri: typist.uri.clone(),
                text: typist.mirror.text.clone(),
                at: typist.at,
            },
            said,
        ));
    }
    person.typist.leaves().await;

    let plain = json!({"reuse": false, "prefetch": false});
    let mut other = Person::at_work(plain).await;
    let (mut same, mut evaluated) = (0, 0);
    for (place, said) in &places {
        let afresh = other.is_at(place).await;
        // What was shown or said a few keys ago is the rest of an answer to another prompt.
        let is_whole =
            ["decoded", "started-early", "joined", "prefetched"].contains(&said.source.as_str());
        if is_whole && afresh.source == "decoded" {
            assert_eq!(
                said.ghost,
                afresh.ghost,
                "{:?} {said:?}",
                &place.text[..place.at]
            );
            same += 1;
        }
        evaluated += usize::from(afresh.source == "decoded");
    }
    assert!(same >= 20, "{same} of {evaluated} could be compared");
    eprintln!("{same} of {} answers were compared", places.len());
    other.typist.leaves().await;
}
