//! A model's files while they are in use. Large ones are mapped, so that several editors share one copy in memory and
//! what is not needed can be left on disk; but the system ends a process that reads a page of a file that has been cut
//! short (SIGBUS). Who copies a new model over the old one does that. So small ones are read instead, and for large ones
//! it is looked, before each batch, whether somebody has written into them.

use std::{
    fs::{File, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::parts;

/// Files of up to this many bytes are read: a copy for each editor costs less than is worth a question.
const READ_BELOW: u64 = 64 << 20;

/// The files of a model that is mapped; none if it was read.
#[derive(Debug, Default)]
pub(super) struct Mapped(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// The file that is mapped, whatever stands under its name by now.
    file: File,
    stamp: Stamp,
}

type Stamp = (u64, Option<SystemTime>);

impl Mapped {
    /// To be made before the model in `path` and its other parts, of so many bytes together, are loaded.
    pub(super) fn of(path: &Path, bytes: u64) -> Mapped {
        if bytes <= READ_BELOW {
            return Mapped::default();
        }
        let watched = |path: PathBuf| {
            let file = File::open(&path).ok()?;
            let stamp = stamp(&file.metadata().ok()?);
            Some(Watched { path, file, stamp })
        };
        Mapped(parts::all(path).into_iter().filter_map(watched).collect())
    }

    /// Whether the model is to be mapped.
    pub(super) fn is_mapped(&self) -> bool {
        !self.0.is_empty()
    }

    /// A file that somebody has written into since. One `fstat` each, 1.4 µs.
    pub(super) fn overwritten(&self) -> Option<&Path> {
        let is_other = |watched: &&Watched| {
            let now = watched.file.metadata();
            // Who cannot be asked any more, as on some network disks, may be as good as ever.
            now.is_ok_and(|now| stamp(&now) != watched.stamp)
        };
        self.0.iter().find(is_other).map(|watched| &*watched.path)
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn small_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        fs::write(&path, "x").unwrap();
        assert!(!Mapped::of(&path, READ_BELOW).is_mapped());
        assert!(Mapped::of(&path, READ_BELOW + 1).is_mapped());
    }

    #[cfg(unix)]
    #[test]
    fn a_part_that_is_written_into_is_found_and_one_that_is_replaced_or_deleted_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let part = |number| folder.path().join(format!("m-0000{number}-of-00002.gguf"));
        let bytes = [1u8; 100];
        for number in [1, 2] {
            fs::write(part(number), bytes).unwrap();
        }
        let mapped = Mapped::of(&part(1), READ_BELOW + 1);
        assert_eq!(mapped.overwritten(), None);
        let new = folder.path().join("new");
        fs::write(&new, "another").unwrap();
        fs::rename(new, part(1)).unwrap();
        assert_eq!(mapped.overwritten(), None);
        fs::write(part(2), "shorter").unwrap();
        assert_eq!(mapped.overwritten(), Some(&*part(2)));
        fs::remove_file(part(2)).unwrap();
        assert_eq!(mapped.overwritten(), Some(&*part(2)));
    }
}
