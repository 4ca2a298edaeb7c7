//! What lies beside a file while it is being fetched, and who may touch it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{FetchError, disk};

pub(super) const PART: &str = ".part";
pub(super) const NOTE: &str = ".part.json";
const LOCK: &str = ".lock";

pub(super) fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    file.with_file_name(name)
}

/// What is left of an unfinished download of `file`, in bytes.
pub fn unfinished(file: &Path) -> Option<u64> {
    with_ending(file, PART).metadata().ok().map(|it| it.len())
}

/// Does `work` while nobody fetches `file`, and removes what is left of an unfinished download of it.
pub fn forget<T>(file: &Path, work: impl FnOnce() -> T) -> Result<T, FetchError> {
    if !file.parent().is_some_and(Path::is_dir) {
        return Ok(work());
    }
    let held = lock(file)?;
    let done = work();
    for ending in [PART, NOTE] {
        _ = fs::remove_file(with_ending(file, ending));
    }
    // Not before: whoever makes a new lock file begins at once.
    _ = fs::remove_file(with_ending(file, LOCK));
    drop(held);
    Ok(done)
}

/// Held until it is dropped, also by a process that dies.
pub(super) fn lock(file: &Path) -> Result<File, FetchError> {
    let path = with_ending(file, LOCK);
    let lock = File::create(&path).map_err(|error| disk(&path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(FetchError::Busy(
            file.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        )),
        // A file system without locks: one at a time is the user's to keep.
        Err(fs::TryLockError::Error(_)) => Ok(lock),
    }
}
