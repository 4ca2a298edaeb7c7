//! The values that settings take beside numbers and text, and how they are spelled. What they mean stands with
//! the settings in `config.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// `auto`, or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    #[default]
    Auto,
    Exactly(u32),
}

/// Whether completions may have several lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiLine {
    #[default]
    Auto,
    Always,
    Never,
}

/// Whether something is done that pays with some models only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    #[default]
    Auto,
    On,
    Off,
}

impl Switch {
    /// Whether it is on, where `auto` means `pays`.
    pub fn is_on(self, pays: bool) -> bool {
        match self {
            Switch::Auto => pays,
            Switch::On => true,
            Switch::Off => false,
        }
    }
}

/// When ghost text comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Automatic,
    Subtle,
    Manual,
}

/// What the numbers in the model's cache are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KvType {
    #[default]
    F16,
    #[serde(rename = "q8_0")]
    Q8,
    #[serde(rename = "q5_1")]
    Q5,
    #[serde(rename = "q4_0")]
    Q4,
}

impl KvType {
    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F16 => "f16",
            KvType::Q8 => "q8_0",
            KvType::Q5 => "q5_1",
            KvType::Q4 => "q4_0",
        }
    }
}

/// Where completions are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    #[default]
    Local,
    Remote,
}

/// What a remote server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Auto,
    Infill,
    Completion,
    OpenAi,
}

/// How it is known that text may be sent to a remote server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    #[default]
    Ask,
    Given,
}

/// How much is logged.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Level {
    /// The name, as `tracing` filters and the configuration spell it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Count::Auto => serializer.serialize_str("auto"),
            Count::Exactly(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::String(text) if text == "auto" => Ok(Count::Auto),
            Value::Number(number)
                if number
                    .as_u64()
                    .is_some_and(|count| u32::try_from(count).is_ok()) =>
            {
                Ok(Count::Exactly(
                    number.as_u64().map_or(0, |count| count as u32),
                ))
            }
            _ => Err(de::Error::custom(format!(
                "{value} is neither \"auto\" nor a whole number"
            ))),
        }
    }
}

impl Serialize for MultiLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MultiLine::Auto => serializer.serialize_str("auto"),
            MultiLine::Always => serializer.serialize_bool(true),
            MultiLine::Never => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for MultiLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MultiLine, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "auto" => Ok(MultiLine::Auto),
            Value::Bool(true) => Ok(MultiLine::Always),
            Value::Bool(false) => Ok(MultiLine::Never),
            other => Err(de::Error::custom(format!(
                "{other} is neither \"auto\" nor true nor false"
            ))),
        }
    }
}

impl Serialize for Switch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Switch::Auto => serializer.serialize_str("auto"),
            Switch::On => serializer.serialize_bool(true),
            Switch::Off => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Switch, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "auto" => Ok(Switch::Auto),
            Value::Bool(true) => Ok(Switch::On),
            Value::Bool(false) => Ok(Switch::Off),
            other => Err(de::Error::custom(format!(
                "{other} is neither \"auto\" nor true nor false"
            ))),
        }
    }
}
