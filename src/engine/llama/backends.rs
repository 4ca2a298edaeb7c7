//! Back ends as files: where they may lie, which of them fit, and what became of each. Used by builds with the feature
//! `backends`; others have theirs compiled in, and find no files.
//!
//! Whoever can put a file into the folder runs code in this program. So it is never the current directory, never a
//! relative path, and nothing that everybody may write to; llama.cpp's own search, which does look in the current
//! directory, is not used.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;

/// The variable that names another folder.
pub(super) const VARIABLE: &str = "GHOSTLINE_BACKENDS";

/// The variants for processors, the most demanding first: the first that runs here is the best one. ggml scores them in
/// the same order, but tells nobody.
const VARIANTS: [&str; 23] = [
    "zen4",
    "cooperlake",
    "icelake",
    "cascadelake",
    "cannonlake",
    "skylakex",
    "alderlake",
    "haswell",
    "piledriver",
    "ivybridge",
    "sandybridge",
    "sse42",
    "x64",
    "apple_m4",
    "apple_m2_m3",
    "apple_m1",
    "armv9.2_2",
    "armv9.2_1",
    "armv8.6_2",
    "armv8.6_1",
    "armv8.2_3",
    "armv8.2_2",
    "armv8.2_1",
];

/// Made with tiles (AMX), which most compilers get wrong: see `backend::has_tiles`. The next one in the list suits the
/// same processors.
const UNUSED_VARIANT: &str = "sapphirerapids";

/// What was found in the folder, for `doctor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    /// `None` if back ends are compiled in, or no folder was found.
    pub folder: Option<PathBuf>,
    pub files: Vec<BackendFile>,
    /// Why there is nothing to compute with; a sentence with the way out.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendFile {
    pub name: String,
    pub fate: Fate,
}

impl Files {
    /// What to do about the files that something is wrong with.
    pub fn refused(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| match &file.fate {
            Fate::Refused(sentence) => Some(sentence.as_str()),
            _ => None,
        })
    }

    /// The same, and what others lack; only whoever wants a GPU cares.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| match &file.fate {
            Fate::Refused(sentence) | Fate::Lacking(sentence) => Some(sentence.as_str()),
            _ => None,
        })
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    Used,
    /// Used, but has no device here.
    NoDevice,
    /// Made for other processors, or for lesser ones.
    NotNeeded,
    /// Something is wrong with it: a sentence with the way out.
    Refused(String),
    /// A library that it needs is not on this machine, as on any without such a GPU: a sentence.
    Lacking(String),
}

/// What a file says when it is loaded.
pub(super) enum Loaded {
    /// With so many devices.
    Yes(usize),
    /// Made for other processors.
    Unsuited,
    /// The system's words.
    No(String),
}

/// Where the files may lie: the folder that the variable names, else what comes with the program.
pub(super) fn folder(named: Option<OsString>, program: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named.filter(|it| !it.is_empty()) {
        let folder = PathBuf::from(named);
        if !folder.is_absolute() {
            return Err(format!(
                "{VARIABLE} is `{}`, a relative path; give an absolute one",
                folder.display()
            ));
        }
        return checked(&folder);
    }
    let beside = program.and_then(Path::parent).ok_or_else(|| {
        format!("the program's own folder is unknown; name the back ends' with {VARIABLE}")
    })?;
    let candidates = [beside.join("backends"), beside.join("../lib/ghostline")];
    match candidates.iter().find(|it| it.is_dir()) {
        Some(folder) => checked(folder),
        None => Err(format!(
            "there is no folder with back ends, neither `{}` nor `{}`; unpack the whole release, or name the folder with {VARIABLE}",
            candidates[0].display(),
            candidates[1].display()
        )),
    }
}

fn checked(folder: &Path) -> Result<PathBuf, String> {
    let real = folder.canonicalize().map_err(|error| {
        format!(
            "the folder with back ends `{}` cannot be read ({error}); unpack the release again, or name another one with {VARIABLE}",
            folder.display()
        )
    })?;
    match strangers_may_write(&real) {
        true => Err(format!(
            "everybody may write to the folder with back ends `{}`, so nothing is loaded from there; `chmod o-w` it",
            real.display()
        )),
        false => Ok(real),
    }
}

#[cfg(unix)]
fn strangers_may_write(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    // What cannot be looked at cannot be loaded either, and says so then.
    fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn strangers_may_write(_: &Path) -> bool {
    false
}

/// Loads what is in the folder: the best variant for the processor, and every other back end.
pub(super) fn load_all(folder: &Path, mut load: impl FnMut(&Path) -> Loaded) -> Files {
    let (mut variants, mut others) = (Vec::new(), Vec::new());
    for name in names(folder) {
        let Some(kind) = kind(&name) else { continue };
        match kind.strip_prefix("cpu") {
            Some(variant) => variants.push((rank(variant.trim_start_matches('-')), name)),
            None => others.push(name),
        }
    }
    variants.sort();
    others.sort();
    let mut all = Files {
        folder: Some(folder.to_owned()),
        ..Files::default()
    };
    let mut has_processor = false;
    for (rank, name) in variants {
        let fate = match has_processor || rank.is_none() {
            true => Fate::NotNeeded,
            false => tried(&folder.join(&name), &mut load),
        };
        has_processor |= matches!(fate, Fate::Used | Fate::NoDevice);
        all.files.push(BackendFile { name, fate });
    }
    for name in others {
        let fate = tried(&folder.join(&name), &mut load);
        all.files.push(BackendFile { name, fate });
    }
    if !has_processor {
        all.trouble = Some(format!(
            "no back end for this processor could be loaded from `{}`; unpack the release again",
            folder.display()
        ));
    }
    all
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// `cpu-zen4`, `vulkan`, …; `None` for what is no back end.
fn kind(name: &str) -> Option<&str> {
    let name = name.strip_prefix("lib").unwrap_or(name);
    let name = name.strip_prefix("ggml-")?;
    let (kind, _) = name
        .rsplit_once('.')
        .filter(|(_, ending)| ["so", "dll", "dylib"].contains(ending))?;
    (kind != "base").then_some(kind)
}

/// Smaller is better. An unknown one is tried last, and one that is not to be used never, which is `None` and sorted
/// first; nothing follows from that.
fn rank(variant: &str) -> Option<usize> {
    let known = VARIANTS.iter().position(|it| *it == variant);
    (variant != UNUSED_VARIANT).then(|| known.unwrap_or(VARIANTS.len()))
}

fn tried(path: &Path, load: &mut impl FnMut(&Path) -> Loaded) -> Fate {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let again = "unpack the release again or remove the file, and restart the editor";
    if strangers_may_write(path) {
        return Fate::Refused(format!(
            "everybody may write to the back end `{name}`, so it is not loaded; `chmod o-w` it"
        ));
    }
    match is_whole(path) {
        Ok(true) => {}
        Ok(false) => {
            return Fate::Refused(format!(
                "the back end `{name}` is damaged or incomplete and is left out; {again}"
            ));
        }
        Err(error) => {
            return Fate::Refused(format!(
                "the back end `{name}` cannot be read ({error}); {again}"
            ));
        }
    }
    match load(path) {
        Loaded::Yes(0) => Fate::NoDevice,
        Loaded::Yes(_) => Fate::Used,
        Loaded::Unsuited => Fate::NotNeeded,
        Loaded::No(words) => match lacking(&name, &words) {
            Some(sentence) => Fate::Lacking(sentence),
            None => Fate::Refused(refusal(&name, &words, again)),
        },
    }
}

/// What the system's loader says of a library that is not there, in words for people.
fn lacking(name: &str, words: &str) -> Option<String> {
    const MISSING: &str = ": cannot open shared object file";
    let library = words
        .split_once(MISSING)
        .and_then(|(before, _)| before.rsplit([' ', '/']).next())
        .filter(|it| *it != name)?;
    let of = match library.split(['.', '-']).next().unwrap_or_default() {
        "libvulkan" => "install the GPU's driver and the Vulkan loader (Debian: `libvulkan1`)",
        "libcuda" => "install NVIDIA's driver",
        "libcudart" | "libcublas" | "libcublasLt" => {
            "install NVIDIA's CUDA runtime of the version that the back end was made with"
        }
        _ => "install it",
    };
    Some(format!(
        "the back end `{name}` needs `{library}`, which is not on this machine; {of} to use that GPU"
    ))
}

/// What else it says.
fn refusal(name: &str, words: &str, again: &str) -> String {
    if words.contains("API version") || words.contains("undefined symbol") {
        return format!(
            "the back end `{name}` was made for another version of llama.cpp and is left out; take the one of this release"
        );
    }
    let words = words.rsplit_once(": ").map_or(words, |(_, last)| last);
    format!("the back end `{name}` cannot be loaded ({words}); {again}")
}

/// Whether a library is as long as its header says. The system's loader does not look, and ends the process when it
/// touches what is not there. Other formats than ELF are left to it.
fn is_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut header = [0u8; 64];
    if len < 64 {
        return Ok(false);
    }
    file.read_exact(&mut header)?;
    if &header[..4] != b"\x7fELF" {
        return Ok(cfg!(not(target_os = "linux")));
    }
    let (is_64_bit, is_little_endian) = (header[4] == 2, header[5] == 1);
    if !is_64_bit || !is_little_endian {
        return Ok(true);
    }
    let short = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let long = |at: usize| {
        let bytes = header[at..at + 8].iter().rev();
        bytes.fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    // Tables of segments and of sections; linkers put the latter at the very end of the file.
    let ends = [
        long(32).checked_add(short(54) * short(56)),
        long(40).checked_add(short(58) * short(60)),
    ];
    Ok(ends.iter().all(|end| end.is_some_and(|end| end <= len)))
}

#[cfg(test)]
mod tests;
