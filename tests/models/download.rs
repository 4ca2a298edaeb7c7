//! Downloads from servers that misbehave: what is there in the end, what is asked for, what is said.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ghostline::models::download::{FetchError, forget};

use crate::{
    hub::{Hub, Reply, file},
    place::{Place, hash, model, web},
};

#[test]
fn a_file_comes_whole_and_nothing_else_is_left() {
    let (place, hub) = (Place::new(), Hub::with_file(&model()));
    let mut last = 0;
    let fetched = place.fetch_watched(&hub.url(), &mut |progress| {
        assert!(progress.bytes >= last);
        last = progress.bytes;
    });
    let fetched = fetched.unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
    assert_eq!(
        (fetched.sha256, fetched.is_verified),
        (hash(&model()), false)
    );
    assert_eq!(last, model().len() as u64);
    assert_eq!(place.files(), ["x.gguf"]);
}

#[test]
fn a_connection_that_breaks_off_is_taken_up_where_it_broke() {
    let place = Place::new();
    let hub = Hub::start(|request, n_before| {
        let reply = file(request, &model(), "\"one\"");
        if n_before < 4 {
            reply.broken_after(400_000)
        } else {
            reply
        }
    });
    place.fetch(&hub.url()).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
    let from: Vec<_> = hub
        .requests()
        .iter()
        .map(|it| it.from().unwrap_or(0))
        .collect();
    assert_eq!(from, [0, 400_000, 800_000, 1_200_000, 1_600_000]);
    assert_eq!(hub.requests()[1].headers["if-range"], "\"one\"");
}

#[test]
fn one_who_makes_no_headway_is_given_up_and_what_came_is_kept() {
    let mut place = Place::new();
    // Long enough for a busy machine to send the first bytes.
    place.web.patience = Duration::from_millis(400);
    let hub = Hub::start(|request, n_before| {
        let reply = file(request, &model(), "\"one\"");
        reply.stalled_after(if n_before == 0 { 300_000 } else { 0 })
    });
    place.check_refused(&hub, "; what came is kept");
    assert_eq!(place.part().metadata().unwrap().len(), 300_000);
    assert_eq!(hub.requests().len(), 3);

    // The next pull, perhaps another day, of another process.
    let better = Hub::with_file(&model());
    place.web.patience = Duration::from_secs(20);
    let note = fs::read_to_string(place.folder.path().join("models/x.gguf.part.json")).unwrap();
    let note = note.replace(&hub.url(), &better.url());
    fs::write(place.folder.path().join("models/x.gguf.part.json"), note).unwrap();
    place.fetch(&format!("{}/x.gguf", better.url())).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
    assert_eq!(better.requests()[0].from(), Some(300_000));
}

#[test]
fn one_who_wants_it_stopped_gets_it_stopped() {
    let mut place = Place::new();
    place.stops_at = 500_000;
    let hub = Hub::with_file(&model());
    assert!(matches!(place.fetch(&hub.url()), Err(FetchError::Stopped)));
    let len = place.part().metadata().unwrap().len();
    assert!(len >= 500_000 && len < model().len() as u64, "{len}");
    place.stops_at = u64::MAX;
    place.fetch(&hub.url()).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
    assert_eq!(hub.requests()[1].from(), Some(len as usize));
}

#[test]
fn a_file_that_has_changed_meanwhile_is_fetched_anew() {
    let mut place = Place::new();
    place.stops_at = 300_000;
    let hub = Hub::start(|request, n_before| match n_before {
        0 => file(request, &model(), "\"one\""),
        _ => file(request, b"GGUF of today", "\"two\""),
    });
    place.fetch(&hub.url()).unwrap_err();
    place.stops_at = u64::MAX;
    place.fetch(&hub.url()).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), b"GGUF of today");
}

#[test]
fn one_who_ignores_ranges_sends_it_all_again_and_one_who_sends_another_is_not_believed() {
    for wrong in [200, 206] {
        let mut place = Place::new();
        place.stops_at = 300_000;
        let hub = Hub::start(move |request, n_before| match n_before {
            0 => file(request, &model(), "\"one\""),
            1 if wrong == 206 => Reply::new(206, "rest")
                .with("content-range", "bytes 7-10/11")
                .with("etag", "\"one\""),
            _ => Reply::new(200, model()).with("etag", "\"one\""),
        });
        place.fetch(&hub.url()).unwrap_err();
        place.stops_at = u64::MAX;
        place.fetch(&hub.url()).unwrap();
        assert_eq!(fs::read(place.path()).unwrap(), model());
    }
}

#[test]
fn a_part_that_is_the_whole_already_needs_nothing_more() {
    let place = Place::new();
    let hub = Hub::with_file(&model());
    let url = format!("{}/x", hub.url());
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.part(), model()).unwrap();
    let note = serde_json::json!({"url": url, "etag": "\"one\"", "sha256": null, "of": null});
    fs::write(place.part().with_extension("part.json"), note.to_string()).unwrap();
    place.fetch(&url).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
    // A longer one than there is has to be another.
    fs::remove_file(place.path()).unwrap();
    fs::write(place.part(), [model(), model()].concat()).unwrap();
    fs::write(place.part().with_extension("part.json"), note.to_string()).unwrap();
    place.fetch(&url).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
}

#[test]
fn a_wrong_file_is_refused_and_leaves_nothing() {
    let mut place = Place::new();
    place.sha256 = Some(hash(&model()));
    let hub = Hub::with_file(b"GGUF of somebody else");
    place.check_refused(&hub, "is not the file that was asked for (SHA-256 ");
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn the_hash_that_the_hub_tells_counts_too() {
    let right = hash(&model());
    for (told, is_right) in [(right, true), (hash(b"other"), false)] {
        let place = Place::new();
        let told = format!("\"{told}\"");
        let hub = Hub::start(move |request, n_before| match n_before {
            0 => Reply::redirect("/elsewhere")
                .with("x-linked-etag", &told)
                .with("x-linked-size", model().len()),
            _ => file(request, &model(), "\"one\""),
        });
        match place.fetch(&format!("{}/x", hub.url())) {
            Ok(fetched) => assert!(is_right && fetched.is_verified),
            Err(error) => assert!(
                !is_right && error.to_string().contains("SHA-256"),
                "{error}"
            ),
        }
        assert_eq!(place.path().exists(), is_right);
    }
}

#[test]
fn a_length_that_is_a_lie_is_found_out() {
    let mut place = Place::new();
    place.size = Some(model().len() as u64);
    let longer =
        Hub::start(|_, _| Reply::new(200, model()).with("content-length", model().len() + 9));
    place.check_refused(
        &longer,
        "the server has a file of 2800013 bytes, expected are 2800004",
    );
    assert_eq!(longer.requests().len(), 1);
    // Without one to compare with: it promises more than it has, however often it is asked.
    place.size = None;
    let liar = Hub::start(|request, _| match request.from() {
        Some(_) => Reply::new(503, ""),
        None => Reply::new(200, model())
            .with("content-length", model().len() + 9)
            .with("etag", "\"one\""),
    });
    place.check_refused(&liar, "what came is kept");
    // It promises less than it has: what there is ends early, and the hash tells.
    place = Place::new();
    place.sha256 = Some(hash(&model()));
    let shorter = Hub::start(|_, _| Reply::new(200, model()).with("content-length", 1000));
    place.check_refused(&shorter, "SHA-256");
}

#[test]
fn a_page_is_no_model() {
    let place = Place::new();
    let hub = Hub::start(|_, _| Reply::new(200, "<!doctype html><title>Log in</title>"));
    place.check_refused(&hub, "what comes from HUB is not a GGUF file");
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn each_refusal_has_a_sentence_of_its_own() {
    for (status, expected, n_requests) in [
        (
            401,
            "HUB does not give this file away (401): it may have a licence to accept on its page; set HF_TOKEN",
            1,
        ),
        (403, "does not give this file away (403)", 1),
        (404, "HUB has no such file (404); check the name", 1),
        (418, "HUB answers with status 418", 1),
        (429, "HUB is asked too often (429); what came is kept", 3),
        (500, "HUB has a problem of its own (500)", 3),
        (503, "HUB has a problem of its own (503)", 3),
    ] {
        let place = Place::new();
        let hub = Hub::start(move |_, _| Reply::new(status, "no").with("retry-after", 0));
        place.check_refused(&hub, expected);
        assert_eq!(hub.requests().len(), n_requests, "{status}");
    }
}

#[test]
fn a_problem_that_passes_is_waited_for() {
    let place = Place::new();
    let hub = Hub::start(|request, n_before| match n_before {
        0 => Reply::new(429, ""),
        1 => Reply::new(502, ""),
        _ => file(request, &model(), "\"one\""),
    });
    place.fetch(&hub.url()).unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
}

#[test]
fn one_who_says_when_is_asked_again_then() {
    let place = Place::new();
    let hub = Hub::start(|request, n_before| match n_before {
        0 => Reply::new(429, "").with("retry-after", 1),
        _ => file(request, &model(), "\"one\""),
    });
    let started = Instant::now();
    place.fetch(&hub.url()).unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(hub.requests().len(), 2);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let mut place = Place::new();
    let store = Hub::with_file(&model());
    let there = format!("{}/signed?key=1", store.url());
    let hub = Hub::start(move |_, _| Reply::redirect(&there));
    place.web = web(&[("HF_ENDPOINT", &hub.url()), ("HF_TOKEN", "hf_secret")]);
    place.fetch(&format!("{}/x", hub.url())).unwrap();
    assert_eq!(
        hub.requests()[0].headers["authorization"],
        "Bearer hf_secret"
    );
    assert!(!store.requests()[0].headers.contains_key("authorization"));
    assert_eq!(store.requests()[0].target, "/signed?key=1");
}

#[test]
fn a_token_is_in_no_sentence() {
    let mut place = Place::new();
    let hub = Hub::start(|_, _| Reply::new(403, ""));
    place.web = web(&[("HF_ENDPOINT", &hub.url()), ("HF_TOKEN", "hf_secret")]);
    let error = place.fetch(&format!("{}/x", hub.url())).unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("the token in HF_TOKEN may not see it"),
        "{said}"
    );
    assert!(!said.contains("hf_secret"), "{said}");
}

#[test]
fn redirects_in_a_circle_come_to_an_end() {
    let place = Place::new();
    let hub = Hub::start(|_, _| Reply::redirect("/again"));
    place.check_refused(&hub, "redirects more than 10 times");
}

#[test]
fn a_proxy_is_asked_where_there_is_one() {
    let mut place = Place::new();
    let proxy = Hub::with_file(&model());
    place.web = web(&[("HTTP_PROXY", &proxy.url()), ("NO_PROXY", "inside.test")]);
    place.fetch("http://models.test/x.gguf").unwrap();
    assert_eq!(fs::read(place.path()).unwrap(), model());
    let asked = &proxy.requests()[0];
    assert!(
        asked.target.contains("models.test") && asked.target.ends_with("/x.gguf"),
        "{asked:?}"
    );
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let place = Place::new();
    let error = place.fetch("http://127.0.0.1:1/x").unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    let error = place.fetch("not an address").unwrap_err().to_string();
    assert!(error.contains("is no address"), "{error}");
}

#[test]
fn two_at_once_do_not_write_into_each_other() {
    let place = Place::new();
    let hub = Hub::with_file(&model());
    let url = format!("{}/x", hub.url());
    let mut others = None;
    place
        .fetch_watched(&url, &mut |_| {
            others.get_or_insert_with(|| (place.fetch(&url), forget(&place.path(), || ())));
        })
        .unwrap();
    // Neither fetched a second time nor deleted meanwhile.
    let others = others.unwrap();
    assert!(matches!(others.0, Err(FetchError::Busy(_))));
    assert!(matches!(others.1, Err(FetchError::Busy(_))));
    assert_eq!(fs::read(place.path()).unwrap(), model());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_nothing_is_left() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.part()).unwrap();
    let hub = Hub::with_file(&model());
    place.check_refused(&hub, "no room on the disk of");
    assert_eq!(place.files(), [""; 0]);
    assert!(Path::new("/dev/full").exists());
}

#[cfg(unix)]
#[test]
fn a_file_for_which_there_is_no_room_is_not_begun() {
    let place = Place::new();
    let hub = Hub::start(|_, _| Reply::new(200, "GGUF").with("content-length", 1u64 << 60));
    place.check_refused(
        &hub,
        "the model needs 1152921504.6 GB; make room and pull again",
    );
    assert_eq!(place.files(), [""; 0]);
}
