//! Models by name: switching loses nothing, fetching asks first and shows how far it is.

use std::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};

use ghostline::{
    config::{Config, Origin},
    engine::{Engine, model::ModelError, script::Script},
    server::{Change, Missing, Models, Outside, Pulled},
};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{Start, TestServer};

const URI: &str = "file:///a.rs";

/// Holds back whoever loads.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.lock().unwrap();
        drop(self.1.wait_while(closed, |is_open| !*is_open).unwrap());
    }
}

/// The world outside, as the test wants it.
#[derive(Default)]
struct World {
    /// Names that were fetched.
    here: Mutex<Vec<String>>,
    is_small: bool,
    /// A download goes on until it is stopped.
    never_ends: bool,
    loaded: Mutex<Vec<String>>,
}

impl Models for World {
    fn missing(&self, config: &Config) -> Option<Missing> {
        let name = config.model.path.clone()?;
        let is_here = self.here.lock().unwrap().contains(&name);
        (!is_here).then(|| Missing {
            name,
            size: "1.6 GB".to_owned(),
        })
    }

    fn fits_beside(&self, _: &Config) -> bool {
        !self.is_small
    }

    fn loading(&self, config: &Config) {
        let name = config.model.path.clone().unwrap_or_default();
        self.loaded.lock().unwrap().push(name);
    }

    fn pull(&self, name: &str, progress: &mut dyn FnMut(u64, Option<u64>) -> bool) -> Pulled {
        if name == "unknown" {
            return Err("no model is called `unknown`".to_owned());
        }
        let mut bytes = 0;
        while progress(bytes, Some(200)) {
            bytes += 50;
            if bytes >= 200 && !self.never_ends {
                self.here.lock().unwrap().push(name.to_owned());
                return Ok(format!("{name} is here"));
            }
        }
        Err("stopped".to_owned())
    }

    fn choose(&self, name: &str) -> Result<(String, Origin, Value), String> {
        let layer = json!({"model": {"path": name}});
        Ok((
            format!("{name} is used"),
            Origin::File("c.toml".to_owned()),
            layer,
        ))
    }

    fn list(&self, _: &Config) -> Value {
        json!({"models": [{"name": "small"}]})
    }
}

/// A model that recites its name; `held` waits at the gate, `broken` cannot be loaded, and one that is not here neither.
fn start(world: &Arc<World>, gate: &Arc<Gate>) -> Start {
    let mut start = Start::new(&Script::new([""]));
    let (known, gate) = (world.clone(), gate.clone());
    start.start_engine = Arc::new(move |config: &Config, on_status| {
        let name = config.model.path.clone().unwrap_or("builtin".to_owned());
        let is_missing = config.model.path.is_some() && known.missing(config).is_some();
        let gate = gate.clone();
        let mut loader = Script::new([format!("let a = {name};\n")]).loader();
        let loader: ghostline::engine::Loader = Box::new(move |progress| {
            if name == "held" {
                gate.pass();
            }
            if name == "broken" || is_missing {
                return Err(ModelError::Failed(format!("{name} cannot be loaded")));
            }
            loader(progress)
        });
        Engine::start(loader, on_status)
    });
    start.outside = Outside {
        models: world.clone(),
        changes: None,
    };
    start
}

fn world(here: &[&str]) -> Arc<World> {
    let world = World::default();
    *world.here.lock().unwrap() = here.iter().map(|it| (*it).to_owned()).collect();
    Arc::new(world)
}

async fn choose(server: &TestServer, name: &str) {
    let settings = json!({"settings": {"model": {"path": name}}});
    server
        .notify("workspace/didChangeConfiguration", settings)
        .await;
}

async fn says(server: &mut TestServer) -> String {
    let items = server.inline(URI, 0, 7).await;
    let text = items
        .first()
        .map(|item| item["insertText"].as_str().unwrap().trim());
    text.unwrap_or_default().to_owned()
}

async fn command(server: &mut TestServer, name: &str, argument: &str) -> Result<Value, i64> {
    let params = json!({"command": format!("ghostline.models.{name}"), "arguments": [argument]});
    server.request("workspace/executeCommand", params).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_model_answers_while_the_new_one_loads() {
    let gate = Arc::new(Gate::default());
    let mut server = start(&world(&["held"]), &gate).ready().await;
    server.open(URI, "rust", "let a =").await;
    assert_eq!(says(&mut server).await, "builtin;");
    choose(&server, "held").await;
    assert_eq!(server.status().await["state"], "loading");
    for _ in 0..3 {
        assert_eq!(says(&mut server).await, "builtin;");
    }
    // Typing goes on, too.
    server.change(URI, 2, Some([[0, 7], [0, 7]]), " ").await;
    assert_eq!(server.inline(URI, 0, 8).await[0]["insertText"], "builtin;");
    gate.open();
    server.until_ready().await;
    assert_eq!(server.inline(URI, 0, 8).await[0]["insertText"], "held;");
    assert_eq!(server.text(URI).await.0, "let a = ");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_model_goes_on_when_the_new_one_cannot_be_loaded() {
    let world = world(&["broken", "good"]);
    let mut server = start(&world, &Arc::default()).ready().await;
    server.open(URI, "rust", "let a =").await;
    choose(&server, "broken").await;
    let shown = server.notified("window/showMessage").await["message"].clone();
    assert_eq!(
        shown,
        "ghostline: the model failed: broken cannot be loaded; script goes on answering"
    );
    assert_eq!(server.status().await["state"], "failed");
    assert_eq!(says(&mut server).await, "builtin;");
    choose(&server, "good").await;
    server.until_ready().await;
    assert_eq!(says(&mut server).await, "good;");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_memory_has_no_room_for_two_the_user_is_told() {
    let world = Arc::new(World {
        is_small: true,
        here: Mutex::new(vec!["held".to_owned()]),
        ..World::default()
    });
    let gate = Arc::new(Gate::default());
    let mut server = start(&world, &gate).ready().await;
    server.open(URI, "rust", "let a =").await;
    choose(&server, "held").await;
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(
        shown.contains("memory has no room for two models"),
        "{shown}"
    );
    assert_eq!(says(&mut server).await, "");
    gate.open();
    server.until_ready().await;
    assert_eq!(says(&mut server).await, "held;");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_there_is_fetched_only_with_the_users_consent() {
    for consents in [true, false] {
        let world = world(&[]);
        let start = start(&world, &Arc::default()).with(
            "/initializationOptions",
            json!({"model": {"path": "small"}}),
        );
        let mut server = start.connect();
        *server.settings.lock().unwrap() = json!({"consents": consents});
        let initialize = json!({
            "capabilities": {"textDocument": {"inlineCompletion": {}}},
            "initializationOptions": {"model": {"path": "small"}},
        });
        server.request("initialize", initialize).await.unwrap();
        server.notify("initialized", json!({})).await;
        while server.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        let (method, params) = server.asked()[0].clone();
        assert_eq!(method, "window/showMessageRequest");
        assert_eq!(params["actions"][0]["title"], "Fetch it (1.6 GB)");
        assert_eq!(
            params["message"],
            "ghostline: the model failed: small cannot be loaded"
        );
        server.open(URI, "rust", "let a =").await;
        if consents {
            server.until_ready().await;
            assert_eq!(says(&mut server).await, "small;");
        } else {
            assert_eq!(server.status().await["state"], "failed");
            assert_eq!(says(&mut server).await, "");
            assert!(world.here.lock().unwrap().is_empty());
        }
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_shows_how_far_it_is() {
    let world = world(&[]);
    let start =
        start(&world, &Arc::default()).with("/capabilities/window/workDoneProgress", json!(true));
    let mut server = start.ready().await;
    let params = json!({
        "command": "ghostline.models.pull",
        "arguments": [{"name": "small"}],
        "workDoneToken": "mine",
    });
    let id = server.send("workspace/executeCommand", params).await;
    let mut percents = Vec::new();
    loop {
        let progress = server.notified("$/progress").await;
        assert_eq!(progress["token"], "mine");
        let value = &progress["value"];
        match value["kind"].as_str().unwrap() {
            "end" => {
                assert_eq!(value["message"], "small is here");
                break;
            }
            _ => percents.push(value["percentage"].as_u64().unwrap()),
        }
    }
    assert!(percents.is_sorted() && percents[0] == 0, "{percents:?}");
    assert_eq!(
        server.answer(id).await,
        Ok(json!({"message": "small is here"}))
    );
    assert!(command(&mut server, "pull", "unknown").await.is_err());
    // Its bar, which the server had to make itself.
    for _ in 0..2 {
        server.notified("$/progress").await;
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_can_be_stopped_and_blocks_nobody() {
    let world = Arc::new(World {
        never_ends: true,
        ..World::default()
    });
    let mut server = start(&world, &Arc::default()).ready().await;
    server.ignored = "$/progress";
    server.open(URI, "rust", "let a =").await;
    let params = json!({
        "command": "ghostline.models.pull",
        "arguments": ["small"],
        "workDoneToken": 7,
    });
    let id = server.send("workspace/executeCommand", params).await;
    assert_eq!(says(&mut server).await, "builtin;");
    server
        .notify("window/workDoneProgress/cancel", json!({"token": 7}))
        .await;
    assert!(server.answer(id).await.is_err());
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_chosen_by_command_and_by_the_configuration_file() {
    let world = world(&["one", "two"]);
    let (changes, receiver) = unbounded_channel();
    let mut start = start(&world, &Arc::default());
    start.outside.changes = Some(receiver);
    let mut server = start.ready().await;
    server.open(URI, "rust", "let a =").await;
    let said = command(&mut server, "use", "one").await.unwrap();
    assert_eq!(said["message"], "one is used");
    server.until_ready().await;
    while says(&mut server).await != "one;" {}
    let layer = json!({"model": {"path": "two"}});
    changes
        .send(Change::Settings(Origin::File("c.toml".to_owned()), layer))
        .unwrap();
    while says(&mut server).await != "two;" {}
    // The editor's own settings come first, and the command says so.
    choose(&server, "two").await;
    let said = command(&mut server, "use", "one").await.unwrap();
    assert_eq!(
        said["message"],
        "one is used; but another one is set elsewhere, too, and that comes first: editor, settings"
    );
    assert_eq!(
        command(&mut server, "list", "").await.unwrap()["models"][0]["name"],
        "small"
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_file_that_has_changed_is_loaded_anew_and_one_that_comes_back_is_loaded() {
    let world = world(&["one"]);
    let (changes, receiver) = unbounded_channel();
    let mut start = start(&world, &Arc::default());
    start.outside.changes = Some(receiver);
    let mut server = start.ready().await;
    server.open(URI, "rust", "let a =").await;
    choose(&server, "gone").await;
    let shown = Arc::new(AtomicBool::new(false));
    while server.status().await["state"] != "failed" {
        shown.store(true, Ordering::SeqCst);
    }
    world.here.lock().unwrap().push("gone".to_owned());
    changes.send(Change::Model).unwrap();
    server.until_ready().await;
    while says(&mut server).await != "gone;" {}
    changes.send(Change::Model).unwrap();
    while world.loaded.lock().unwrap().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*world.loaded.lock().unwrap(), ["", "gone", "gone", "gone"]);
    server.until_ready().await;
    assert_eq!(says(&mut server).await, "gone;");
    server.finish().await;
}
