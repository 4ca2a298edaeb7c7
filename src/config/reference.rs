//! What the schema says: the reference page, the keys, the ranges.

use std::{fmt::Write, sync::OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use super::{Config, Count, MultiLine, Switch};

/// The JSON schema of the configuration, without references, with the defaults.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value();
    schema["title"] = "ghostline".into();
    schema
}

/// The reference page: one section per section, one entry per key.
pub fn reference() -> String {
    let defaults = Config::default().tree();
    let schema = shared_schema();
    let mut page = String::from(
        "# Configuration\n\n\
         Later layers win: defaults, the configuration file, environment variables, the editor's \
         `initializationOptions`, the editor's settings, the command line. `ghostline config` shows each value and \
         where it came from. Editors may put the settings at the top level or under `ghostline`, and send changes \
         at any time. What is unknown or impossible leaves the previous value and is reported.\n",
    );
    for (section, fields) in properties(schema) {
        let _ = write!(page, "\n## {section}\n\n{}\n", description(fields));
        for (name, field) in properties(fields) {
            let key = format!("{section}.{name}");
            let default = defaults
                .pointer(&pointer(&key))
                .cloned()
                .unwrap_or_default();
            let _ = write!(
                page,
                "\n### `{key}`\n\n{}\n\n- Type: {}\n- Default: {}\n- Environment: `{}`\n",
                description(field),
                type_in_words(field),
                if default.is_null() {
                    "none".to_string()
                } else {
                    format!("`{default}`")
                },
                environment_variable(&key),
            );
        }
    }
    page
}

/// Every key, dotted, in the order of the reference.
pub fn keys() -> &'static [&'static str] {
    static KEYS: OnceLock<Vec<&'static str>> = OnceLock::new();
    KEYS.get_or_init(|| {
        properties(shared_schema())
            .flat_map(|(section, fields)| {
                properties(fields).map(move |(name, _)| format!("{section}.{name}"))
            })
            .map(|key| &*key.leak())
            .collect()
    })
}

/// The environment variable that sets `key`: `GHOSTLINE_MODEL_PATH` for `model.path`.
pub fn environment_variable(key: &str) -> String {
    format!("GHOSTLINE_{}", key.replace('.', "_").to_uppercase())
}

/// The JSON pointer of a dotted key, in a tree of values.
pub(super) fn pointer(key: &str) -> String {
    format!(
        "/{}",
        key.replace('~', "~0").replace('/', "~1").replace('.', "/")
    )
}

/// Whether `key` takes nothing but text.
pub(super) fn wants_text(key: &str) -> bool {
    field(key).is_some_and(|field| type_in_words(field) == "text")
}

/// Whether `key` takes `true` or `false`.
pub(super) fn wants_flag(key: &str) -> bool {
    field(key).is_some_and(|field| field.get("type").is_some_and(|kind| kind == "boolean"))
}

/// The range of `key` in words, when the number `value` is outside it.
pub(super) fn violated_range(key: &str, value: &Value) -> Option<String> {
    let (field, value) = (field(key)?, value.as_f64()?);
    let (minimum, maximum) = (field.get("minimum")?, field.get("maximum")?);
    let is_inside = (minimum.as_f64()?..=maximum.as_f64()?).contains(&value);
    (!is_inside).then(|| format!("between {minimum} and {maximum}"))
}

fn shared_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(schema)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, field)| (name.as_str(), field))
}

fn field(key: &str) -> Option<&'static Value> {
    let (section, name) = key.split_once('.')?;
    shared_schema()
        .get("properties")?
        .get(section)?
        .get("properties")?
        .get(name)
}

fn description(schema: &Value) -> String {
    schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .replace('\n', " ")
}

fn type_in_words(field: &Value) -> String {
    if let Some(choices) = field.get("enum").and_then(Value::as_array) {
        return choices
            .iter()
            .map(|choice| format!("`{choice}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(choices) = field.get("oneOf").and_then(Value::as_array) {
        let range = range_in_words(field);
        return choices
            .iter()
            .map(type_in_words)
            .collect::<Vec<_>>()
            .join(" or ")
            + &range;
    }
    if let Some(constant) = field.get("const") {
        return format!("`{constant}`");
    }
    let name = match field.get("type") {
        Some(Value::Array(types)) => types.first().and_then(Value::as_str),
        Some(name) => name.as_str(),
        None => None,
    };
    let words = match name {
        Some("string") => "text",
        Some("boolean") => "`true` or `false`",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("array") => "a list of text",
        _ => "any value",
    };
    words.to_string() + &range_in_words(field)
}

fn range_in_words(field: &Value) -> String {
    match (field.get("minimum"), field.get("maximum")) {
        (Some(minimum), Some(maximum)) => format!(", {minimum} to {maximum}"),
        _ => String::new(),
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [{"const": "auto"}, {"type": "integer"}]})
    }
}

impl JsonSchema for MultiLine {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MultiLine".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["auto", true, false]})
    }
}

impl JsonSchema for Switch {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Switch".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["auto", true, false]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described_with_type_and_default() {
        for key in keys() {
            let field = field(key).unwrap();
            assert!(description(field).len() > 20, "{key} has no text");
            assert_ne!(type_in_words(field), "any value", "{key}");
        }
        let page = reference();
        for expected in [
            "### `completion.max_tokens`",
            "- Type: a whole number, 1 to 1024\n- Default: `64`\n- Environment: `GHOSTLINE_COMPLETION_MAX_TOKENS`",
            "- Type: text\n- Default: none\n- Environment: `GHOSTLINE_MODEL_PATH`",
            "- Type: `\"auto\"` or a whole number, 1 to 1024\n- Default: `\"auto\"`",
            "- Type: `\"off\"`, `\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"`, `\"trace\"`",
        ] {
            assert!(
                page.contains(expected),
                "{expected:?} is missing in:\n{page}"
            );
        }
    }

    #[test]
    fn the_schema_needs_no_references() {
        assert!(!schema().to_string().contains("$ref"));
    }
}
