//! The file: where it is, and how several processes add to it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::Statistics;

const FILE: &str = "statistics.json";

/// The largest file that is read; nothing that was counted comes near it.
const MAX_BYTES: u64 = 16 << 20;

/// Why statistics cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    #[error("`{0}` does not hold ghostline's statistics; `ghostline stats --reset` begins anew")]
    Damaged(String),
    #[error(
        "statistics cannot be kept in `{0}`: {1}; make room there or mend its permissions, or set `statistics.record` \
         to false"
    )]
    Unusable(String, #[source] io::Error),
}

/// Where they are kept: in the user's state folder (`XDG_STATE_HOME`, on every system), or, where a system has none,
/// beside the program's other data. `None` where the user has no folders.
pub fn path() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    if let Some(folder) = named.filter(|folder| folder.is_absolute()) {
        return Some(folder.join("ghostline").join(FILE));
    }
    let folders = directories::ProjectDirs::from("", "", "ghostline")?;
    let folder = folders
        .state_dir()
        .unwrap_or_else(|| folders.data_local_dir());
    Some(folder.join(FILE))
}

/// What has been counted; nothing where there is no file.
pub fn read(path: &Path) -> Result<Statistics, StatisticsError> {
    let unusable = |error| StatisticsError::Unusable(path.display().to_string(), error);
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Statistics::default()),
        Err(error) => return Err(unusable(error)),
        Ok(metadata) if metadata.len() > MAX_BYTES || !metadata.is_file() => {
            return Err(StatisticsError::Damaged(path.display().to_string()));
        }
        Ok(_) => fs::read(path).map_err(unusable)?,
    };
    // So a crash of the system may leave it.
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(Statistics::default());
    }
    serde_json::from_slice(&bytes).map_err(|_| StatisticsError::Damaged(path.display().to_string()))
}

/// Adds to what has been counted. A damaged file is set aside, and the counts begin anew; that is the error then.
pub fn add(path: &Path, more: &Statistics) -> Result<(), StatisticsError> {
    let unusable = |error| StatisticsError::Unusable(path.display().to_string(), error);
    let _lock = lock(path).map_err(unusable)?;
    let (mut all, damaged) = match read(path) {
        Ok(all) => (all, None),
        Err(error @ StatisticsError::Damaged(_)) => {
            fs::rename(path, path.with_extension("damaged.json")).map_err(unusable)?;
            (Statistics::default(), Some(error))
        }
        Err(error) => return Err(error),
    };
    all.merge(more);
    write(path, &all).map_err(unusable)?;
    damaged.map_or(Ok(()), Err)
}

/// Deletes the file; what it held, if that can be told.
pub fn reset(path: &Path) -> Result<Option<Statistics>, StatisticsError> {
    let unusable = |error| StatisticsError::Unusable(path.display().to_string(), error);
    if !path.exists() {
        return Ok(Some(Statistics::default()));
    }
    let _lock = lock(path).map_err(unusable)?;
    let held = match read(path) {
        Ok(held) => Some(held),
        Err(StatisticsError::Damaged(_)) => None,
        Err(error) => return Err(error),
    };
    fs::remove_file(path).map_err(unusable)?;
    Ok(held)
}

/// Held until it is dropped, by this process or by its end.
fn lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("lock"))?;
    match file.lock() {
        // A file system without locks: two servers that write in the same moment may lose a few counts there.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        locked => locked?,
    }
    Ok(file)
}

/// Whole or not at all. Only under the lock, which makes the name of the unfinished file nobody else's.
fn write(path: &Path, all: &Statistics) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let bytes = serde_json::to_vec(all)?;
    let mut file = File::create(&unfinished)?;
    file.write_all(&bytes)?;
    drop(file);
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::{
        statistics::Day,
        suggest::fate::{About, End},
    };

    fn one() -> Statistics {
        let mut one = Statistics::default();
        let about = About {
            language: "rust".to_owned(),
            model: "small".to_owned(),
            latency: Duration::ZERO,
        };
        one.count(Day(20_000), &about, End::TypedAlong);
        one
    }

    #[test]
    fn several_that_add_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/ghostline/statistics.json");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..25).for_each(|_| add(&path, &one()).unwrap()));
            }
        });
        assert_eq!(read(&path).unwrap().total().typed_along, 200);
    }

    #[test]
    fn a_damaged_file_is_told_and_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for damage in ["{", "[1]", "{\"days\": {\"today\": {}}}", "{\"days\": 7}"] {
            fs::write(&path, damage).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(
                error.contains("does not hold ghostline's statistics"),
                "{error}"
            );
            assert!(matches!(
                add(&path, &one()),
                Err(StatisticsError::Damaged(_))
            ));
            assert_eq!(
                read(&path).unwrap(),
                one(),
                "nothing is lost of what is added"
            );
            let aside = fs::read_to_string(path.with_extension("damaged.json")).unwrap();
            assert_eq!(aside, damage);
            assert!(add(&path, &one()).is_ok());
        }
    }

    #[test]
    fn an_empty_file_and_one_of_another_version_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "").unwrap();
        assert_eq!(read(&path).unwrap(), Statistics::default());
        let newer =
            r#"{"days": {"2026-11-26": {"rust": {"small": {"shown": 3, "new": 1}}}}, "new": []}"#;
        fs::write(&path, newer).unwrap();
        assert_eq!(read(&path).unwrap().total().shown, 3);
    }

    #[test]
    fn where_nothing_can_be_written_the_message_names_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, "").unwrap();
        let error = add(&taken.join(FILE), &one()).unwrap_err().to_string();
        assert!(error.contains("`statistics.record`"), "{error}");
    }

    #[test]
    fn resetting_deletes_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(reset(&path).unwrap(), Some(Statistics::default()));
        add(&path, &one()).unwrap();
        assert_eq!(reset(&path).unwrap(), Some(one()));
        assert!(!path.exists());
        fs::write(&path, "nonsense").unwrap();
        assert_eq!(reset(&path).unwrap(), None);
        assert!(!path.exists());
    }
}
