//! Other processes: how to start a server like this one, and what the system knows of a process.

use std::{process::Command, time::Duration};

use anyhow::Context;

use super::Global;
use crate::config::reference::environment_variable;

/// This same program as a server, with the same flags.
pub(super) fn server(global: &Global) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("while looking for this program's own file")?;
    let mut command = Command::new(program);
    command.arg("lsp");
    // What is typed for show or to be measured is nobody's use of it.
    command.env(environment_variable("statistics.record"), "false");
    if let Some(model) = &global.model {
        command.args(["--model", model]);
    }
    for adapter in &global.lora {
        command.args(["--lora", adapter]);
    }
    if let Some(config) = &global.config {
        command.arg("--config").arg(config);
    }
    if global.offline {
        command.arg("--offline");
    }
    if let Some(file) = &global.log_file {
        command.arg("--log-file").arg(file);
    }
    // What is not asked for would only drown what the server says when it dies.
    let level = match global.verbose {
        0 => global.log.as_deref().unwrap_or("warn"),
        1 => "debug",
        _ => "trace",
    };
    command.args(["--log", level]);
    Ok(command)
}

/// The processor time that all threads of a process have used; `None` where the system does not say (it
/// does on Linux).
pub(super) fn cpu_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Fields 14 and 15, counted behind the program's name in brackets, which may hold anything.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // 100 ticks a second on every Linux that people run; the true figure takes a system call.
    Some(Duration::from_millis(ticks * 10))
}

/// The memory that a process holds in RAM, in bytes, and how much of it is its own, not mapped from
/// files; `None` where the system does not say (it does on Linux).
pub(super) fn memory(process: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
            .map(|kibibytes| kibibytes * 1024)
    };
    Some((field("VmRSS:")?, field("RssAnon:")?))
}

/// The memory that programs can still have, in bytes; `None` where the system does not say.
pub(super) fn free_memory() -> Option<u64> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}
