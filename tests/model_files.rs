//! Model files that are missing, broken, or go away: each a sentence for the user, none the end of the process.

use std::{fs, path::Path};

use ghostline::{
    engine::{
        Cancel,
        llama::{self, Options},
        model::{Model, Sequence},
    },
    models,
};

/// Whether a loaded model answers at all.
fn answers(model: &mut dyn Model) -> bool {
    let tokens = model.tokenize("fn main() { let number = 1; }");
    model
        .decode(Sequence(0), 0, &tokens, 1, &Cancel::default())
        .unwrap();
    model.logits(0).len() == model.vocabulary_size()
}

#[track_caller]
fn check_refused(path: &Path, expected: &str) {
    let error = llama::load(path, &Options::default(), &mut |_| true)
        .err()
        .expect("it is refused")
        .to_string();
    let error = error.replace(path.to_str().unwrap(), "PATH");
    assert!(
        error.contains(expected),
        "{error:?} does not say {expected:?}"
    );
}

#[test]
fn each_bad_file_has_a_sentence_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    check_refused(&path, "`PATH` not found");
    check_refused(folder.path(), "is a directory");
    fs::write(&path, b"PK\x03\x04 not a model").unwrap();
    check_refused(&path, "is not a GGUF file");
    fs::write(&path, b"").unwrap();
    check_refused(&path, "is not a GGUF file");

    let whole = fs::read(models::builtin().unwrap()).unwrap();
    for len in [4, 100, 5_000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        check_refused(&path, "ends early");
    }
    // llama.cpp's own reason comes through.
    let at = whole.windows(5).position(|it| it == b"llama").unwrap();
    let mut strange = whole.clone();
    strange[at..at + 5].copy_from_slice(b"lhama");
    fs::write(&path, &strange).unwrap();
    check_refused(&path, "unknown model architecture: 'lhama'");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        // Root may read everything.
        if fs::read(&path).is_err() {
            check_refused(&path, "no permission");
        }
    }
}

#[test]
fn a_corrupt_body_does_not_end_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let mut bytes = fs::read(models::builtin().unwrap()).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let (mut model, _) = llama::load(&path, &Options::default(), &mut |_| true).unwrap();
    assert!(answers(&mut *model));
}

#[cfg(unix)]
#[test]
fn a_file_that_is_deleted_after_loading_is_still_there_for_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    fs::copy(models::builtin().unwrap(), &path).unwrap();
    let (mut model, _) = llama::load(&path, &Options::default(), &mut |_| true).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(answers(&mut *model));
}
