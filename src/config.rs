//! The configuration: typed, with defaults, read from values layer by layer; never from files.
//!
//! A layer is a JSON value, wherever it came from: a TOML file, environment variables, flags, the editor.
//! Nothing in a layer is an error: what cannot be used leaves the previous value and gives a [`Warning`].
//! Reading files and variables is the command line's; the reference page is made in `config/reference.rs`.

pub mod layers;
pub mod reference;
mod remote;
mod values;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use layers::{Entry, Layered, Origin};
pub use reference::{reference, schema};
pub use remote::{Network, Remote};
pub use values::{Consent, Count, EngineKind, KvType, Level, Mode, MultiLine, Protocol, Switch};

/// Everything that can be set. The doc comments of the fields are the manual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Which model completes, and where it runs.
    pub model: Model,
    /// How the model is run.
    pub engine: Engine,
    /// A model on another machine, or in another process, that answers in place of the one in this process. Text goes
    /// there only when `engine.kind` says so and the user has agreed; files that are left alone never go.
    pub remote: Remote,
    /// Whether ghostline may use the network at all.
    pub network: Network,
    /// What is asked for and what is shown.
    pub completion: Completion,
    /// How readily ghost text comes by itself.
    pub eagerness: Eagerness,
    /// How long an answer may take.
    pub latency: Latency,
    /// Where ghostline is silent.
    pub languages: Languages,
    /// Which files ghostline leaves alone.
    pub files: Files,
    /// What is counted on this machine, for this machine's user.
    pub statistics: Statistics,
    /// What is written down about ghostline's own work: never source text, prompts or completions.
    pub log: Log,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Model {
    /// The model: the path of a GGUF file, or a name that `ghostline models` knows (`qwen2.5-coder-1.5b`,
    /// `organisation/repository:file.gguf`, a URL). A name has to be fetched before, by `ghostline models pull` or when
    /// the editor asks. Without it the built-in model is used.
    pub path: Option<String>,
    /// Name of the fill-in-the-middle prompt format, for a model that says nothing or the wrong thing about itself.
    /// Without it the format is read from the model file.
    pub format: Option<String>,
    /// How many of the model's layers run on the GPU; `auto` takes as many as fit into its free memory.
    pub gpu_layers: Count,
    /// What the model runs on: the name of a GPU as `ghostline doctor` shows it, several with commas between, or `cpu`.
    /// Without it the GPU with the most free memory is taken, if there is one.
    pub device: Option<String>,
    /// LoRA adapters for the model, GGUF files, each with its strength behind a colon if that is not 1
    /// (`style.gguf:0.5`).
    pub lora: Vec<String>,
    /// How the model's cache is kept. Less than `f16` takes half or a third of the memory, mostly costs some time, and a
    /// little quality, and gives up exact results. Without it the cache is `f16`; or `q8_0`, where a model runs on the
    /// processor, its quantisation is not computed exactly anyway, and a keystroke was measured to be clearly faster.
    pub kv_type: Option<KvType>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Engine {
    /// Where completions are made: `local` in this process, `remote` at the endpoints of the section `remote`.
    pub kind: EngineKind,
    /// Threads that compute; `auto` takes the machine's physical cores.
    #[schemars(extend("minimum" = 1, "maximum" = 1024))]
    pub threads: Count,
    /// Whether what was computed for one keystroke is used for the next, and work starts before ghost text is asked
    /// for. Off only to measure what that brings.
    pub reuse: bool,
    /// Whether the model, while nobody waits for it, works ahead on what may be typed or accepted next. Off to
    /// save power.
    pub prefetch: bool,
    /// Whether a half-typed word constrains the completion instead of being fed to the model. Off only to
    /// measure what that brings.
    pub healing: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Completion {
    /// Whether there is ghost text at all, in any language.
    pub enabled: bool,
    /// The longest completion, in tokens. Most end earlier, with the line or the block; a model that takes more than
    /// 31 ms for a token generates as many as it can in two seconds, but 16 at least.
    #[schemars(range(min = 1, max = 1024))]
    pub max_tokens: usize,
    /// Whether completions may have several lines: `auto` where the syntax asks for a block (an empty body),
    /// `true` everywhere, `false` nowhere.
    pub multi_line: MultiLine,
    /// Whether what stands elsewhere in the open files counts beside the model's own opinion: the live cache. It costs
    /// microseconds. `auto` is `true` for models of up to 100 million parameters, which gain most by far; larger ones
    /// read the other files themselves, as far as they have room.
    pub live_cache: Switch,
    /// How likely it must be that the first line of a completion is right for it to be shown on its own, as far as the
    /// model's own doubts tell (`ghostline eval` measures how well). 0 shows everything; asking by hand does, too.
    #[schemars(range(min = 0, max = 1))]
    pub min_confidence: f64,
    /// Whether only the beginning of a line is shown, up to the end of a word, where that is likelier right than wrong
    /// (and as likely as `min_confidence` asks for) and the whole line is not. Asking by hand shows the whole.
    pub partial_lines: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Eagerness {
    /// When ghost text comes: `automatic` while typing, `subtle` while typing but only one line and only what is
    /// very likely, `manual` when it is asked for by hand.
    pub mode: Mode,
    /// How many milliseconds after the last key ghost text may come at the earliest. What is typed along is not
    /// hidden meanwhile; asking by hand does not wait. No request is held longer than 700 ms: a delay of more than that
    /// takes an editor that asks again later.
    #[schemars(range(min = 0, max = 10_000))]
    pub delay_ms: u64,
    /// Whether ghost text comes by itself in comments.
    pub in_comments: bool,
    /// Whether ghost text comes by itself in string literals.
    pub in_strings: bool,
    /// Whether new ghost text comes by itself after deleting or undoing, before something is typed. What stood there
    /// before comes back either way.
    pub after_delete: bool,
    /// Whether a suggestion that was rejected at a place is shown there again.
    pub repeat_rejected: bool,
    /// After this many rejections in a row ghost text comes as in the mode `subtle`, until one is accepted; 0 never
    /// backs off.
    #[schemars(range(min = 0, max = 100))]
    pub back_off: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Latency {
    /// After this many milliseconds the whole words that there are so far are shown; the rest follows at the next
    /// key. Without it only finished completions are shown.
    #[schemars(range(min = 1, max = 700))]
    pub deadline_ms: Option<u64>,
    /// At a place of which the model knows nothing yet it reads so many milliseconds' worth of the file first, as far as
    /// its pace is known (50 tokens around the line at least), and the rest as soon as nobody waits; ten times as much when it
    /// is asked by hand. Fast models read all of it in that time.
    #[schemars(range(min = 1, max = 60_000))]
    pub prompt_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Languages {
    /// Languages in which nothing is suggested, by the name the editor gives them (`markdown`, `rust`).
    pub disabled: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Files {
    /// Files in which nothing is suggested and whose text is no context for others, as `.gitignore` patterns
    /// (`*.sql`, `secrets/`) relative to the editor's folder. Files named by a `.ghostlineignore`, and files that
    /// usually hold secrets (`.env*`, `*.pem`, `*.key`, `.npmrc`, `.pypirc`; `id_*` and `credentials*`, but not code
    /// such as `credentials.rs`), are left alone anyway.
    pub exclude: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Statistics {
    /// Whether it is counted how many suggestions were shown, accepted and rejected, by language and model, for
    /// `ghostline stats`. Counts only, never text; they stay on this machine.
    pub record: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Log {
    /// How much is logged to stderr and to the file.
    pub level: Level,
    /// A file that the log is appended to, beside stderr.
    pub file: Option<String>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine {
            kind: EngineKind::Local,
            threads: Count::Auto,
            reuse: true,
            prefetch: true,
            healing: true,
        }
    }
}

impl Default for Completion {
    fn default() -> Completion {
        Completion {
            enabled: true,
            max_tokens: 64,
            multi_line: MultiLine::Auto,
            live_cache: Switch::Auto,
            min_confidence: 0.2,
            partial_lines: true,
        }
    }
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            deadline_ms: None,
            prompt_ms: 16,
        }
    }
}

impl Default for Eagerness {
    fn default() -> Eagerness {
        Eagerness {
            mode: Mode::Automatic,
            delay_ms: 0,
            in_comments: true,
            in_strings: true,
            after_delete: false,
            repeat_rejected: false,
            back_off: 4,
        }
    }
}

impl Default for Statistics {
    fn default() -> Statistics {
        Statistics { record: true }
    }
}

impl Languages {
    /// Whether nothing is suggested in a language known by one of these names.
    pub fn is_disabled(&self, names: &[&str]) -> bool {
        self.disabled
            .iter()
            .any(|disabled| names.iter().any(|name| disabled.eq_ignore_ascii_case(name)))
    }
}

impl Config {
    /// Whether going from `self` to `new` needs the model loaded anew.
    pub fn needs_restart(&self, new: &Config) -> bool {
        self.model != new.model
            || self.engine.threads != new.engine.threads
            || self.engine.kind != new.engine.kind
            || (new.engine.kind == EngineKind::Remote
                && (self.remote != new.remote || self.network != new.network))
    }

    /// Takes over what `layer` sets. What is unknown, of a wrong type or out of range leaves the previous value
    /// and is named in the warnings; `null` sets nothing.
    ///
    /// The settings may stand at the top or under `ghostline`; a key may be dotted (`"log.level": "debug"`).
    pub fn apply(&mut self, layer: &Value) -> Vec<Warning> {
        layers::settings_of(layer)
            .into_iter()
            .filter_map(|setting| match setting {
                Ok((key, value)) => self.set(&key, &value).err(),
                Err(warning) => Some(warning),
            })
            .collect()
    }

    /// Sets one key; on a warning nothing has changed.
    pub(crate) fn set(&mut self, key: &str, value: &Value) -> Result<(), Warning> {
        let warning = |message: String| Warning {
            key: key.to_string(),
            message,
        };
        let mut tree = self.tree();
        let place = tree
            .pointer_mut(&reference::pointer(key))
            .ok_or_else(|| layers::unknown(key))?;
        let previous = std::mem::replace(place, value.clone());
        let new: Config = serde_json::from_value(tree)
            .map_err(|error| warning(format!("{error}; it stays {previous}")))?;
        if let Some(range) = reference::violated_range(key, value) {
            return Err(warning(format!(
                "{value} is not {range}; it stays {previous}"
            )));
        }
        *self = new;
        Ok(())
    }

    pub(crate) fn tree(&self) -> Value {
        serde_json::to_value(self).expect("a configuration is made of strings, numbers and lists")
    }
}

/// Something in a layer that was not taken over, for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The dotted key as it was given.
    pub key: String,
    /// A clause that ends with the way out.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "configuration `{}`: {}", self.key, self.message)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(layer: Value, expected: Expect) {
        let mut config = Config::default();
        let warnings = config.apply(&layer);
        let mut seen = String::new();
        for warning in warnings {
            seen += &format!("{warning}\n");
        }
        let (default, config) = (Config::default().tree(), config.tree());
        for key in reference::keys() {
            let pointer = reference::pointer(key);
            if default.pointer(&pointer) != config.pointer(&pointer) {
                seen += &format!("{key} = {}\n", config.pointer(&pointer).unwrap());
            }
        }
        expected.assert_eq(&seen);
    }

    #[test]
    fn settings_stand_at_the_top_or_under_ghostline_and_keys_may_be_dotted() {
        let expected = || {
            expect![[r#"
                log.level = "debug"
                model.gpu_layers = 12
            "#]]
        };
        check(
            json!({"log": {"level": "debug"}, "model": {"gpu_layers": 12}}),
            expected(),
        );
        check(
            json!({"ghostline": {"log": {"level": "debug"}, "model": {"gpu_layers": 12}}, "other": 1}),
            expected(),
        );
        check(
            json!({"log.level": "debug", "model.gpu_layers": 12}),
            expected(),
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        check(
            json!({"completion": {"max-tokens": 3}, "modle": {"path": "x"}, "zzz": 1, "log": {"level": "warn"}}),
            expect![[r#"
                configuration `completion.max-tokens`: unknown; did you mean `completion.max_tokens`?
                configuration `modle.path`: unknown; did you mean `model.path`?
                configuration `zzz`: unknown; `ghostline config` lists what there is
                log.level = "warn"
            "#]],
        );
    }

    #[test]
    fn a_wrong_type_or_an_impossible_number_keeps_the_previous_value_and_says_so() {
        check(
            json!({
                "completion": {"max_tokens": 0, "min_confidence": 1.5, "multi_line": "yes"},
                "engine": {"threads": 0, "reuse": "no"},
                "model": {"gpu_layers": -1, "path": 7},
                "languages": "none",
                "log": {"level": "loud"},
            }),
            expect![[r#"
                configuration `completion.max_tokens`: 0 is not between 1 and 1024; it stays 64
                configuration `completion.min_confidence`: 1.5 is not between 0 and 1; it stays 0.2
                configuration `completion.multi_line`: "yes" is neither "auto" nor true nor false; it stays "auto"
                configuration `engine.reuse`: invalid type: string "no", expected a boolean; it stays true
                configuration `engine.threads`: 0 is not between 1 and 1024; it stays "auto"
                configuration `languages`: a section, but "none" is given
                configuration `log.level`: unknown variant `loud`, expected one of `off`, `error`, `warn`, `info`, `debug`, `trace`; it stays "info"
                configuration `model.gpu_layers`: -1 is neither "auto" nor a whole number; it stays "auto"
                configuration `model.path`: invalid type: integer `7`, expected a string; it stays null
            "#]],
        );
    }

    #[test]
    fn null_and_empty_lists_in_place_of_sections_set_nothing() {
        check(json!(null), expect![""]);
        check(json!([]), expect![""]);
        check(
            json!({"model": {"path": null}, "log": null, "engine": []}),
            expect![""],
        );
        check(
            json!(7),
            expect![[r#"
                configuration `ghostline`: a section, but 7 is given
            "#]],
        );
    }

    #[test]
    fn only_what_the_loaded_model_depends_on_needs_a_restart() {
        let old = Config::default();
        let mut new = old.clone();
        new.apply(&json!({"completion": {"max_tokens": 5}, "engine": {"reuse": false}, "log": {"level": "off"}}));
        assert!(!old.needs_restart(&new));
        new.apply(&json!({"remote": {"timeout_ms": 500}, "network": {"offline": true}}));
        assert!(old.network != new.network && !old.needs_restart(&new));
        new.apply(&json!({"engine": {"threads": 2}}));
        assert!(old.needs_restart(&new));
        new.apply(&json!({"engine": {"kind": "remote"}}));
        let old = new.clone();
        new.apply(&json!({"remote": {"timeout_ms": 600}}));
        assert!(old.needs_restart(&new));
    }

    #[test]
    fn languages_are_switched_off_by_any_of_their_names() {
        let languages = Languages {
            disabled: vec!["Markdown".into(), "python".into()],
        };
        assert!(languages.is_disabled(&["text", "markdown"]));
        assert!(!languages.is_disabled(&["rust", "rust"]));
    }
}
