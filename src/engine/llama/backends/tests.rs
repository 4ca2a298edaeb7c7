//! Where back ends may lie, and what becomes of their files. Nothing is loaded: what a file says is scripted.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A library that its header says to be `says` bytes long.
fn library(says: usize) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[40..48].copy_from_slice(&(says as u64 - 64).to_le_bytes());
    bytes[58] = 64;
    bytes[60] = 1;
    bytes
}

fn folder_with(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        fs::write(folder.path().join(name), library(256)).unwrap();
    }
    folder
}

fn fates(files: &Files) -> Vec<(&str, &Fate)> {
    files
        .files
        .iter()
        .map(|it| (it.name.as_str(), &it.fate))
        .collect()
}

fn sentence(files: &Files, name: &str) -> String {
    match files.files.iter().find(|it| it.name == name) {
        Some(BackendFile {
            fate: Fate::Refused(sentence) | Fate::Lacking(sentence),
            ..
        }) => sentence.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_variant_that_runs_here_is_taken_and_every_other_back_end() {
    let folder = folder_with(&[
        "libggml-cpu-sapphirerapids.so",
        "libggml-cpu-x64.so",
        "libggml-cpu-zen4.so",
        "libggml-cpu-haswell.so",
        "libggml-vulkan.so",
        "libggml-base.so",
        "libllama.so.0",
        "README",
    ]);
    let mut asked = Vec::new();
    let files = load_all(folder.path(), |path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        asked.push(name.clone());
        match name.as_str() {
            "libggml-cpu-zen4.so" => Loaded::Unsuited,
            "libggml-vulkan.so" => Loaded::Yes(0),
            _ => Loaded::Yes(1),
        }
    });
    assert_eq!(
        asked,
        [
            "libggml-cpu-zen4.so",
            "libggml-cpu-haswell.so",
            "libggml-vulkan.so"
        ]
    );
    assert_eq!(
        fates(&files),
        [
            ("libggml-cpu-sapphirerapids.so", &Fate::NotNeeded),
            ("libggml-cpu-zen4.so", &Fate::NotNeeded),
            ("libggml-cpu-haswell.so", &Fate::Used),
            ("libggml-cpu-x64.so", &Fate::NotNeeded),
            ("libggml-vulkan.so", &Fate::NoDevice),
        ]
    );
    assert_eq!(files.trouble, None);
}

#[test]
fn a_damaged_file_is_left_out_with_a_sentence_and_never_loaded_and_the_rest_goes_on() {
    let folder = folder_with(&["libggml-cpu-haswell.so", "libggml-cpu-x64.so"]);
    fs::write(folder.path().join("libggml-cpu-haswell.so"), library(1000)).unwrap();
    fs::write(folder.path().join("libggml-vulkan.so"), "not a library").unwrap();
    fs::write(folder.path().join("libggml-cuda.so"), vec![7; 1000]).unwrap();
    let files = load_all(folder.path(), |path| {
        assert!(path.ends_with("libggml-cpu-x64.so") || cfg!(not(target_os = "linux")));
        Loaded::Yes(1)
    });
    assert_eq!(
        sentence(&files, "libggml-vulkan.so"),
        "the back end `libggml-vulkan.so` is damaged or incomplete and is left out; unpack the release again or remove the file, and restart the editor"
    );
    assert_eq!(files.trouble, None);
}

#[test]
fn what_the_system_says_becomes_a_sentence() {
    let folder = folder_with(&[
        "libggml-cuda.so",
        "libggml-hip.so",
        "libggml-opencl.so",
        "libggml-vulkan.so",
    ]);
    let files = load_all(folder.path(), |path| {
        let words = match path.file_name().unwrap().to_str().unwrap() {
            "libggml-vulkan.so" => {
                "load_backend: failed to load /x/libggml-vulkan.so: libvulkan.so.1: cannot open shared object file: No such file or directory"
            }
            "libggml-hip.so" => "failed: incompatible API version (backend: 3, current: 2)",
            "libggml-cuda.so" => "dlopen: /x/libggml-cuda.so: undefined symbol: ggml_new",
            _ => "load_backend: failed to load /x/l.so: invalid ELF header",
        };
        Loaded::No(words.to_owned())
    });
    // No reason to bother anybody who has no GPU.
    assert!(files.refused().all(|sentence| !sentence.contains("vulkan")));
    assert_eq!(files.left_out().count(), files.refused().count() + 1);
    assert_eq!(
        sentence(&files, "libggml-vulkan.so"),
        "the back end `libggml-vulkan.so` needs `libvulkan.so.1`, which is not on this machine; install the GPU's driver and the Vulkan loader (Debian: `libvulkan1`) to use that GPU"
    );
    for name in ["libggml-hip.so", "libggml-cuda.so"] {
        assert!(sentence(&files, name).contains("another version of llama.cpp"));
    }
    assert!(sentence(&files, "libggml-opencl.so").contains("(invalid ELF header)"));
    assert!(files.trouble.unwrap().contains("unpack the release again"));
}

#[test]
fn the_folder_is_the_one_named_or_comes_with_the_program_and_is_never_a_relative_one() {
    let place = TempDir::new().unwrap();
    let program = place.path().join("bin/ghostline");
    fs::create_dir_all(place.path().join("bin")).unwrap();
    let missing = folder(None, Some(&program)).unwrap_err();
    assert!(missing.contains("unpack the whole release"), "{missing}");

    let lib = place.path().join("lib/ghostline");
    fs::create_dir_all(&lib).unwrap();
    let lib = lib.canonicalize().unwrap();
    assert_eq!(folder(None, Some(&program)), Ok(lib));
    let beside = place.path().join("bin/backends");
    fs::create_dir_all(&beside).unwrap();
    let beside = beside.canonicalize().unwrap();
    assert_eq!(folder(None, Some(&program)), Ok(beside));

    let named = place.path().canonicalize().unwrap();
    assert_eq!(folder(Some(named.clone().into()), None), Ok(named));
    for relative in [".", "backends", "../lib"] {
        let refused = folder(Some(relative.into()), Some(&program)).unwrap_err();
        assert!(refused.contains("a relative path"), "{refused}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_loaded_that_everybody_may_write_to() {
    use std::os::unix::fs::PermissionsExt;
    let place = folder_with(&["libggml-cpu-x64.so"]);
    let path = place.path().join("libggml-cpu-x64.so");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let files = load_all(place.path(), |_| panic!("loaded"));
    assert!(sentence(&files, "libggml-cpu-x64.so").contains("`chmod o-w` it"));

    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = folder(Some(place.path().into()), None).unwrap_err();
    assert!(refused.contains("everybody may write"), "{refused}");
}
