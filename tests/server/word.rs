//! Items that replace the half-typed word, for clients that ask for it: VS Code keeps them when some of the word is
//! deleted.

use expect_test::expect;
use ghostline::engine::script::Script;
use serde_json::json;

use crate::{
    ghost::{ask, draw},
    support::{
        Start,
        mirror::{Mirror, Units},
    },
};

const URI: &str = "file:///a.rs";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_wants_the_whole_word_gets_it_and_accepts_it_like_typing() {
    let script = Script::new(["fn main() {\n    print(größe);\n}\n"]);
    let mut server = Start::new(&script)
        .with(
            "/capabilities/experimental/ghostline/wholeWord",
            json!(true),
        )
        // What is done ahead would be counted, too.
        .with("/initializationOptions/engine/prefetch", json!(false))
        .ready()
        .await;
    let drawn = [
        "fn main() {\n    pri|\n}\n",
        "fn main() {\n    |\n}\n",
        "fn main() {\n    print(gr|)\n}\n",
    ];
    let mut seen = String::new();
    for drawn in drawn {
        let (mirror, at) = Mirror::drawn(drawn, Units::Utf16);
        server.open(URI, "rust", &mirror.text).await;
        let items = ask(&mut server, &mirror, at, json!({"triggerKind": 2})).await;
        seen += &draw(&mirror, &items);
    }
    expect![[r#"
        fn main() {
            «print(größe);»[pri]
        }
        fn main() {
            «print(größe);»[]
        }
        fn main() {
            print(«größe»[gr])
        }
    "#]]
    .assert_eq(&seen);

    // VS Code replaces what the range says; to the server that is the rest being typed.
    let (mut mirror, at) = Mirror::drawn(drawn[0], Units::Utf16);
    server.open(URI, "rust", &mirror.text).await;
    let item = ask(&mut server, &mirror, at, json!({"triggerKind": 2})).await[0].clone();
    let change = json!([{"range": item["range"], "text": "print(g"}]);
    let document = json!({"uri": URI, "version": 2});
    server
        .notify(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": change}),
        )
        .await;
    mirror.apply(&change);
    let decodes = script.decodes();
    let at = mirror.text.find("(g").unwrap() + 2;
    let rest = ask(&mut server, &mirror, at, json!({"triggerKind": 2})).await;
    assert_eq!(rest[0]["insertText"], "größe);");
    assert_eq!(script.decodes(), decodes);
    server.finish().await;
}
