//! The settings of the VS Code extension are those of the program; the rest of its `package.json` is written by hand.

use std::{fmt::Write, fs, path::Path};

use ghostline::config::{reference, schema};
use serde_json::{Value, json};

/// Settings that exist only to measure what something brings.
const LEFT_OUT: [&str; 2] = ["engine.healing", "engine.reuse"];

/// Settings about the machine: a workspace, which may be somebody else's, must not choose what is loaded, written or
/// counted, nor where text goes. No setting has the scope of a folder or of a language: one server serves all of a window.
const OF_THE_MACHINE: [&str; 6] = ["engine", "log", "model", "network", "remote", "statistics"];

/// What stands before and after the settings in `package.json`, and the extension's own setting, which comes first.
const BEFORE: &str = "\n      \"properties\": {\n";
const AFTER: &str = "\n      }\n";
const OWN: &str = "        \"ghostline.path\": {";
const OWN_END: &str = "\n        }";

#[test]
fn the_extensions_settings_are_the_programs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("editors/vscode/package.json");
    let manifest = fs::read_to_string(&path).expect("the manifest can be read");
    let expected = with_settings(&manifest).expect("the manifest has the extension's own setting");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).expect("the manifest can be written");
        return;
    }
    assert!(
        manifest == expected,
        "editors/vscode/package.json is stale; write it anew with \
         `UPDATE_DOCS=1 cargo test --test docs`"
    );
}

#[test]
fn the_extension_has_the_programs_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("editors/vscode/package.json");
    let manifest: Value =
        serde_json::from_slice(&fs::read(path).expect("the manifest can be read"))
            .expect("the manifest is JSON");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_left_out_exists() {
    for key in LEFT_OUT {
        assert!(reference::keys().contains(&key), "{key}");
    }
}

/// The manifest with the settings of today.
fn with_settings(manifest: &str) -> Option<String> {
    let start = manifest.find(BEFORE)? + BEFORE.len();
    let end = start + manifest[start..].find(AFTER)?;
    let old = &manifest[start..end];
    let own = &old[old.find(OWN)?..];
    let mut settings = own[..own.find(OWN_END)? + OWN_END.len()].to_owned();
    let schema = schema();
    for key in reference::keys() {
        if LEFT_OUT.contains(key) {
            continue;
        }
        let (section, name) = key.split_once('.')?;
        let field = &schema["properties"][section]["properties"][name];
        settings += &format!(",\n        \"ghostline.{key}\": {{\n");
        let lines: Vec<String> = setting(section, field)
            .into_iter()
            .map(|(name, value)| format!("          \"{name}\": {}", on_one_line(&value)))
            .collect();
        settings += &lines.join(",\n");
        settings += OWN_END;
    }
    Some(format!(
        "{}{settings}{}",
        &manifest[..start],
        &manifest[end..]
    ))
}

/// A setting as VS Code declares it.
fn setting(section: &str, field: &Value) -> Vec<(&'static str, Value)> {
    let mut lines = Vec::new();
    if let Some(choices) = field.get("enum") {
        lines.push(("enum", choices.clone()));
    } else if let Some(choices) = field.get("oneOf").and_then(Value::as_array) {
        // A word or a number. VS Code's own form for settings has no `oneOf`.
        let types: Vec<Value> = choices.iter().map(kind).collect();
        lines.push(("type", types.into()));
        for word in choices.iter().filter_map(|choice| choice["const"].as_str()) {
            lines.push(("pattern", format!("^{word}$").into()));
        }
    } else {
        lines.push(("type", kind(field)));
    }
    for name in ["items", "minimum", "maximum"] {
        if let Some(value) = field.get(name) {
            lines.push((name, value.clone()));
        }
    }
    lines.push(("default", field["default"].clone()));
    if OF_THE_MACHINE.contains(&section) {
        lines.push(("scope", json!("machine")));
    }
    let description = field["description"].as_str().unwrap_or_default();
    lines.push(("markdownDescription", description.replace('\n', " ").into()));
    lines
}

fn kind(field: &Value) -> Value {
    match field.get("const") {
        Some(_) => json!("string"),
        None => field["type"].clone(),
    }
}

/// As people write it in such files: with blanks.
fn on_one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(on_one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let mut text = String::from("{ ");
            for (at, (name, field)) in fields.iter().enumerate() {
                let comma = if at == 0 { "" } else { ", " };
                let _ = write!(text, "{comma}\"{name}\": {}", on_one_line(field));
            }
            text + " }"
        }
        other => other.to_string(),
    }
}
