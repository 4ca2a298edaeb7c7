//! Layers of configuration, and where each value came from.

use serde_json::{Map, Value};

use super::{Config, Warning, reference};

/// Where a layer came from. Later ones win: what a person wrote on the command line beats the editor's
/// settings, and those beat what holds for the whole machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Default,
    /// A configuration file, by its path.
    File(String),
    Environment,
    /// The editor's `initializationOptions`.
    Initialization,
    /// The editor's settings (`workspace/didChangeConfiguration`, `workspace/configuration`).
    Settings,
    CommandLine,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {path}"),
            Origin::Environment => f.write_str("environment"),
            Origin::Initialization => f.write_str("editor, initializationOptions"),
            Origin::Settings => f.write_str("editor, settings"),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}

/// A configuration that remembers its layers, so that one can be replaced and each value's origin told.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    /// Sorted by origin, at most one of each.
    layers: Vec<(Origin, Value)>,
    config: Config,
}

/// One effective value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Dotted: `model.path`.
    pub key: &'static str,
    pub value: Value,
    pub origin: Origin,
}

impl Layered {
    /// The defaults alone.
    pub fn new() -> Layered {
        Layered::default()
    }

    /// Puts `layer` in place of what `origin` gave before. The warnings are those of this layer.
    pub fn set(&mut self, origin: Origin, layer: Value) -> Vec<Warning> {
        let warnings = Config::default().apply(&layer);
        self.layers.retain(|(known, _)| *known != origin);
        let at = self.layers.partition_point(|(known, _)| *known < origin);
        self.layers.insert(at, (origin, layer));
        self.config = Config::default();
        for (_, layer) in &self.layers {
            self.config.apply(layer);
        }
        warnings
    }

    /// The effective configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the effective value of `key` came from; `Default` also for an unknown key.
    pub fn origin(&self, key: &str) -> Origin {
        let sets = |layer: &Value| {
            settings_of(layer)
                .into_iter()
                .flatten()
                .any(|(set, value)| set == key && Config::default().set(key, &value).is_ok())
        };
        self.layers
            .iter()
            .rev()
            .find(|(_, layer)| sets(layer))
            .map_or(Origin::Default, |(origin, _)| origin.clone())
    }

    /// Every key with its effective value and where that came from, in the order of the reference.
    pub fn entries(&self) -> Vec<Entry> {
        let tree = self.config.tree();
        reference::keys()
            .iter()
            .map(|&key| Entry {
                key,
                value: tree
                    .pointer(&reference::pointer(key))
                    .cloned()
                    .unwrap_or_default(),
                origin: self.origin(key),
            })
            .collect()
    }
}

/// A layer out of dotted keys and values as text, as environment variables and flags give them. Text that is
/// no JSON is taken as a string; so is anything given for a key that wants one.
pub fn layer_of_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let layer: Map<String, Value> = texts
        .into_iter()
        .map(|(key, text)| {
            let string = || Value::String(text.to_string());
            let value = if reference::wants_text(key) {
                string()
            } else if reference::wants_flag(key) && ["0", "1"].contains(&text) {
                // As flags are given in the environment everywhere.
                Value::Bool(text == "1")
            } else {
                serde_json::from_str(text).unwrap_or_else(|_| string())
            };
            (key.to_string(), value)
        })
        .collect();
    Value::Object(layer)
}

/// The settings of a layer, dotted, in the order of their keys; what stands where a section should is a warning.
pub(super) fn settings_of(layer: &Value) -> Vec<Result<(String, Value), Warning>> {
    let mut settings = Vec::new();
    match layer.get("ghostline") {
        Some(own) => collect("", own, &mut settings),
        None => collect("", layer, &mut settings),
    }
    settings
}

fn collect(prefix: &str, value: &Value, settings: &mut Vec<Result<(String, Value), Warning>>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                // An object is a section, known or not: no key's value is one.
                if value.is_null() || !(value.is_object() || is_section(&key)) {
                    if !value.is_null() {
                        settings.push(Ok((key, value.clone())));
                    }
                } else {
                    collect(&key, value, settings);
                }
            }
        }
        // Lua has one kind of table: an empty section may arrive as an empty list.
        Value::Array(items) if items.is_empty() => {}
        other => settings.push(Err(Warning {
            key: if prefix.is_empty() {
                "ghostline".to_string()
            } else {
                prefix.to_string()
            },
            message: format!("a section, but {other} is given"),
        })),
    }
}

fn is_section(key: &str) -> bool {
    reference::keys().iter().any(|known| {
        known
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The warning for a key that does not exist.
pub(super) fn unknown(key: &str) -> Warning {
    let nearest = reference::keys()
        .iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.6);
    let message = match nearest {
        Some((_, known)) => format!("unknown; did you mean `{known}`?"),
        None => "unknown; `ghostline config` lists what there is".to_string(),
    };
    Warning {
        key: key.to_string(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_origins_win_whatever_the_order_they_arrive_in() {
        let mut layered = Layered::new();
        layered.set(
            Origin::CommandLine,
            json!({"completion": {"max_tokens": 4}}),
        );
        layered.set(
            Origin::Settings,
            json!({"completion": {"max_tokens": 3, "multi_line": false}}),
        );
        layered.set(
            Origin::File("/etc/g.toml".into()),
            json!({"completion": {"max_tokens": 1}, "log": {"level": "off"}}),
        );
        assert_eq!(layered.config().completion.max_tokens, 4);
        assert_eq!(layered.origin("completion.max_tokens"), Origin::CommandLine);
        assert_eq!(layered.origin("completion.multi_line"), Origin::Settings);
        assert_eq!(layered.origin("log.level").to_string(), "file /etc/g.toml");
        assert_eq!(layered.origin("model.path"), Origin::Default);
    }

    #[test]
    fn a_layer_that_is_replaced_leaves_nothing_behind() {
        let mut layered = Layered::new();
        layered.set(Origin::Settings, json!({"log": {"level": "off"}}));
        layered.set(Origin::Settings, json!({"completion": {"max_tokens": 9}}));
        assert_eq!(layered.config().log.level, super::super::Level::Info);
        assert_eq!(layered.config().completion.max_tokens, 9);
    }

    #[test]
    fn a_value_that_was_refused_is_not_named_as_the_origin() {
        let mut layered = Layered::new();
        layered.set(
            Origin::Environment,
            json!({"completion": {"max_tokens": 9}}),
        );
        let warnings = layered.set(
            Origin::Settings,
            json!({"completion": {"max_tokens": "many"}}),
        );
        assert_eq!(warnings.len(), 1);
        assert_eq!(layered.config().completion.max_tokens, 9);
        assert_eq!(layered.origin("completion.max_tokens"), Origin::Environment);
    }

    #[test]
    fn every_key_has_an_entry() {
        let layered = Layered::new();
        let entries = layered.entries();
        assert_eq!(entries.len(), reference::keys().len());
        assert!(entries.iter().all(|entry| entry.origin == Origin::Default));
        let max_tokens = entries
            .iter()
            .find(|entry| entry.key == "completion.max_tokens")
            .unwrap();
        assert_eq!(max_tokens.value, json!(64));
    }

    #[test]
    fn texts_become_what_their_key_wants() {
        let layer = layer_of_texts([
            ("model.path", "12"),
            ("completion.max_tokens", "12"),
            ("completion.multi_line", "false"),
            ("engine.threads", "auto"),
            ("languages.disabled", r#"["rust"]"#),
            ("log.level", "debug"),
            ("network.offline", "1"),
        ]);
        let mut config = Config::default();
        assert_eq!(config.apply(&layer), []);
        assert_eq!(config.model.path.as_deref(), Some("12"));
        assert_eq!(config.completion.max_tokens, 12);
        assert_eq!(config.languages.disabled, ["rust"]);
        assert!(config.network.offline);
    }
}
