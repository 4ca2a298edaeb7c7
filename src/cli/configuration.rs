//! `ghostline config`: every setting, its value, where it came from; and which files they leave alone.

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Map, json};

use super::{Global, complete, print, settings};
use crate::{
    config::{Origin, reference},
    report::Table,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Say whether ghostline leaves this file alone, and why, instead
    #[arg(value_name = "FILE", conflicts_with_all = ["json", "schema", "reference"])]
    file: Option<PathBuf>,
    /// Print JSON: {key: {value, origin}}
    #[arg(long)]
    json: bool,
    /// Print the JSON schema of the configuration instead
    #[arg(long, conflicts_with = "json")]
    schema: bool,
    /// Print the manual of every setting instead
    #[arg(long, conflicts_with_all = ["json", "schema"])]
    reference: bool,
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    if options.schema {
        print(&format!("{:#}\n", reference::schema()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.reference {
        print(&reference::reference())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (layered, warnings) = settings::load(global)?;
    if let Some(file) = &options.file {
        let file_name = file.display();
        let answer = match complete::left_alone(file, layered.config()) {
            Some(reason) => format!("`{file_name}` is left alone: {reason}\n"),
            None => format!("`{file_name}` is not left alone\n"),
        };
        print(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let entries = layered.entries();
    if options.json {
        let entry = |entry: &crate::config::Entry| json!({"value": entry.value, "origin": entry.origin.to_string()});
        let all: Map<_, _> = entries
            .iter()
            .map(|one| (one.key.to_owned(), entry(one)))
            .collect();
        print(&format!("{:#}\n", serde_json::Value::Object(all)))?;
    } else {
        let mut table = Table::of_words(["setting", "value", "from"]);
        for entry in &entries {
            let origin = if entry.origin == Origin::Default {
                String::new()
            } else {
                entry.origin.to_string()
            };
            table.row([entry.key.to_owned(), entry.value.to_string(), origin]);
        }
        let file = settings::default_file().map_or_else(String::new, |path| {
            format!("\nThe usual place for the file is {}\n", path.display())
        });
        print(&format!("{table}{file}"))?;
    }
    for warning in warnings {
        super::say(&warning.to_string());
    }
    Ok(ExitCode::SUCCESS)
}
