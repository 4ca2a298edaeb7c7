//! What model files say about themselves, read without llama.cpp, which would end in one sentence for everything that
//! can be wrong with them.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use super::{
    gguf::{self, Header, HeaderError},
    parts,
};
use crate::{engine::model::ModelError, prompt::format::ModelFacts};

/// Everything that can be said about a model: of one file, or of all its parts.
pub fn inspect(path: &Path) -> Result<(Header, ModelFacts), ModelError> {
    let all = parts::all(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if all.len() > 1 {
        if let Some(missing) = all.iter().find(|part| !part.exists()) {
            return Err(ModelError::MissingPart {
                missing: missing.display().to_string(),
                count: all.len(),
            });
        }
        if all[0] != path {
            return Err(ModelError::NotFirstPart {
                file: path.display().to_string(),
                first: all[0].display().to_string(),
            });
        }
    }
    let mut header = header_of(path)?;
    if let Some(kind) = header.kind().filter(|kind| *kind != "model") {
        return Err(ModelError::NoModel {
            file: path.display().to_string(),
            kind: kind.to_owned(),
        });
    }
    for part in &all[1..] {
        header.add_part(&header_of(part)?);
    }
    let facts = header.facts(&name);
    Ok((header, facts))
}

/// Of which architecture the model is that a LoRA adapter belongs to.
pub fn architecture_of_adapter(path: &Path) -> Result<String, ModelError> {
    let header = header_of(path)?;
    match (header.kind(), header.architecture()) {
        (Some("adapter"), architecture) if !architecture.is_empty() => Ok(architecture.to_owned()),
        _ => Err(ModelError::NoAdapter(path.display().to_string())),
    }
}

fn header_of(path: &Path) -> Result<Header, ModelError> {
    let shown = || path.display().to_string();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => ModelError::NoPermission(shown()),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            ModelError::NotFound(shown())
        }
        io::ErrorKind::IsADirectory => ModelError::IsDirectory(shown()),
        _ => ModelError::Unsupported {
            file: shown(),
            reason: error.to_string(),
        },
    };
    let metadata = path.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(ModelError::IsDirectory(shown()));
    }
    // Opening a pipe would wait for its other end, for ever.
    if !metadata.is_file() {
        return Err(ModelError::NotGguf(shown()));
    }
    let file = File::open(path).map_err(failed)?;
    gguf::read(BufReader::new(file), metadata.len()).map_err(|error| match error {
        HeaderError::NotGguf => ModelError::NotGguf(shown()),
        HeaderError::Truncated => ModelError::Truncated(shown()),
        HeaderError::Damaged(_) => ModelError::Unsupported {
            file: shown(),
            reason: error.to_string(),
        },
        HeaderError::Io(error) => failed(error),
    })
}
