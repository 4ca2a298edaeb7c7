//! What a user calls a model: a name of the catalogue, `organisation/repository:file.gguf` on the hub, a URL, or a
//! path. What each stands for; whether the file is there is `store.rs`'s.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{catalogue, hex};

/// A model that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it was asked for.
    pub name: String,
    pub place: Place,
    /// Known beforehand, from the catalogue.
    pub sha256: Option<String>,
    pub size: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Hub {
        repository: String,
        revision: Option<String>,
        file: String,
    },
    Url(String),
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Builtin,
    Source(Source),
    Path(String),
    /// It looks like a name but is none that is known.
    Unknown(String),
}

/// What the built-in model is called.
pub const BUILTIN: &str = "builtin";

/// A name as others may see it: of an address neither user, password nor query, which may be a signature.
pub fn shown(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Reads a name. A text with a separator or an ending is a path unless it has the form of something else; so no file
/// changes what a name means.
pub fn read(text: &str) -> Name {
    if text.is_empty() || text == BUILTIN {
        return Name::Builtin;
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Name::Source(Source {
            name: text.to_owned(),
            place: Place::Url(text.to_owned()),
            sha256: None,
            size: None,
        });
    }
    if let Some(entry) = catalogue::find(text) {
        return Name::Source(Source {
            name: entry.name.clone(),
            place: Place::Hub {
                repository: entry.repository.clone(),
                revision: entry.revision.clone(),
                file: entry.file.clone(),
            },
            sha256: entry.sha256.clone(),
            size: entry.size,
        });
    }
    if let Some(place) = hub(text) {
        return Name::Source(Source {
            name: text.to_owned(),
            place,
            sha256: None,
            size: None,
        });
    }
    let is_bare = !text.contains(['/', '\\', '~']) && !text.to_lowercase().ends_with(".gguf");
    if is_bare {
        Name::Unknown(text.to_owned())
    } else {
        Name::Path(text.to_owned())
    }
}

/// `organisation/repository[@revision]:path/to/file.gguf`
fn hub(text: &str) -> Option<Place> {
    let (repository, file) = text.split_once(':')?;
    let (repository, revision) = match repository.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision)),
        None => (repository, None),
    };
    let (organisation, name) = repository.split_once('/')?;
    let is_part = |text: &str| {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.+".contains(char);
        !text.is_empty() && !text.starts_with('.') && text.chars().all(is_plain)
    };
    let is_file = file.split('/').all(is_part) && file.to_lowercase().ends_with(".gguf");
    (is_part(organisation) && is_part(name) && revision.is_none_or(is_part) && is_file).then(|| {
        Place::Hub {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
            file: file.to_owned(),
        }
    })
}

impl Source {
    /// Where it is fetched from; `hub` is the hub's address, without a slash at its end.
    pub fn url(&self, hub: &str) -> String {
        match &self.place {
            Place::Url(url) => url.clone(),
            Place::Hub {
                repository,
                revision,
                file,
            } => {
                let revision = revision.as_deref().unwrap_or("main");
                format!("{hub}/{repository}/resolve/{revision}/{file}")
            }
        }
    }

    /// Where it is kept, in the folder of models.
    pub fn file(&self) -> PathBuf {
        match &self.place {
            Place::Hub {
                repository,
                revision: None,
                file,
            } => PathBuf::from(repository).join(file),
            // Another revision is another file.
            Place::Hub {
                repository,
                revision: Some(revision),
                file,
            } => PathBuf::from(format!("{repository}@{revision}")).join(file),
            Place::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                let last = path.rsplit('/').next().unwrap_or_default();
                let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
                let last: String = last.chars().filter(|&char| is_plain(char)).collect();
                let last = match last.trim_start_matches('.') {
                    "" => "model.gguf",
                    last => last,
                };
                // Two addresses may end alike. The parts of a model lie in one folder.
                let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
                let rest = &url[path.len()..];
                let hash = &hex(&Sha256::digest(format!("{folder}/{rest}")))[..16];
                PathBuf::from("url").join(hash).join(last)
            }
        }
    }

    /// The files of a model that is cut into parts, this one the first; this one alone otherwise.
    pub fn parts(&self) -> Vec<Source> {
        let part = |place: Place, number: usize| Source {
            place,
            // What is known is known of the first.
            sha256: self.sha256.clone().filter(|_| number == 1),
            size: self.size.filter(|_| number == 1),
            name: self.name.clone(),
        };
        let (address, query) = match &self.place {
            Place::Hub { file, .. } => (file.as_str(), ""),
            Place::Url(url) => url.split_at(url.find(['?', '#']).unwrap_or(url.len())),
        };
        let Some((_, count)) = crate::engine::llama::parts::split(address) else {
            return vec![self.clone()];
        };
        (1..=count)
            .map(|number| {
                let sibling = crate::engine::llama::parts::sibling(address, number);
                let place = match &self.place {
                    Place::Url(_) => Place::Url(sibling + query),
                    Place::Hub {
                        repository,
                        revision,
                        ..
                    } => Place::Hub {
                        repository: repository.clone(),
                        revision: revision.clone(),
                        file: sibling,
                    },
                };
                part(place, number)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let said = match read(text) {
            Name::Builtin => "built in".to_owned(),
            Name::Path(path) => format!("path {path}"),
            Name::Unknown(name) => format!("unknown {name}"),
            Name::Source(source) => {
                let file = source.file().display().to_string().replace('\\', "/");
                format!("{} in {file}", source.url("https://hub"))
            }
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn a_name_says_by_its_form_what_it_is() {
        check("builtin", expect!["built in"]);
        check("", expect!["built in"]);
        check(
            "QWEN2.5-coder-1.5b",
            expect![
                "https://hub/ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF/resolve/8be1b8a895a84beea772817caaa71eba6b6e0d07/qwen2.5-coder-1.5b-q8_0.gguf in ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF@8be1b8a895a84beea772817caaa71eba6b6e0d07/qwen2.5-coder-1.5b-q8_0.gguf"
            ],
        );
        check(
            "org/repo:x.gguf",
            expect!["https://hub/org/repo/resolve/main/x.gguf in org/repo/x.gguf"],
        );
        check(
            "org/repo@v1.0:Q4/x.gguf",
            expect!["https://hub/org/repo/resolve/v1.0/Q4/x.gguf in org/repo@v1.0/Q4/x.gguf"],
        );
        check("models/x.gguf", expect!["path models/x.gguf"]);
        check("x.gguf", expect!["path x.gguf"]);
        check("~/x", expect!["path ~/x"]);
        check("C:\\models\\x.gguf", expect!["path C:\\models\\x.gguf"]);
        check("C:/models/x.gguf", expect!["path C:/models/x.gguf"]);
        check("gpt-9", expect!["unknown gpt-9"]);
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        assert_eq!(
            shown("https://user:word@x.org:1/a/b.gguf?signature=1#part"),
            "https://x.org:1/a/b.gguf"
        );
        assert_eq!(shown("https://x.org?key=1"), "https://x.org");
        assert_eq!(shown("org/repo@v1:x.gguf"), "org/repo@v1:x.gguf");
        assert_eq!(shown("C:\\x.gguf"), "C:\\x.gguf");
    }

    #[test]
    fn the_parts_of_a_model_lie_in_one_folder_and_other_revisions_in_another() {
        for text in [
            "https://x.org/a/x-00001-of-00002.gguf?v=1",
            "org/repo@v1:x-00001-of-00002.gguf",
        ] {
            let Name::Source(source) = read(text) else {
                panic!("a source");
            };
            let folders: Vec<_> = source
                .parts()
                .iter()
                .map(|it| it.file().parent().unwrap().to_owned())
                .collect();
            assert_eq!(folders[0], folders[1], "{text}");
        }
        let file = |text: &str| match read(text) {
            Name::Source(source) => source.file(),
            _ => panic!("a source"),
        };
        assert_ne!(file("o/r@v1:x.gguf"), file("o/r@v2:x.gguf"));
        assert_ne!(file("http://a/x.gguf?v=1"), file("http://a/x.gguf?v=2"));
        assert_ne!(file("http://a/1/x.gguf"), file("http://a/2/x.gguf"));
    }

    #[test]
    fn no_name_leads_out_of_the_folder_of_models() {
        for text in [
            "../up:x.gguf",
            "org/..:x.gguf",
            "org/repo:../../x.gguf",
            "org/repo:/x.gguf",
        ] {
            assert!(matches!(read(text), Name::Path(_)), "{text}");
        }
        check(
            "https://x.org/a/..%2f..%2fb?c=/../d",
            expect!["https://x.org/a/..%2f..%2fb?c=/../d in url/fd0563e18490824b/2f..2fb"],
        );
    }

    #[test]
    fn a_model_in_parts_is_all_of_them_whichever_is_named() {
        let Name::Source(source) = read("org/repo:x-00002-of-00003.gguf") else {
            panic!("a source");
        };
        let urls: Vec<_> = source.parts().iter().map(|it| it.url("h")).collect();
        assert_eq!(
            urls,
            [
                "h/org/repo/resolve/main/x-00001-of-00003.gguf",
                "h/org/repo/resolve/main/x-00002-of-00003.gguf",
                "h/org/repo/resolve/main/x-00003-of-00003.gguf"
            ]
        );
    }
}
