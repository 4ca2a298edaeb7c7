//! The machine, as far as computing cares: how many cores, and which.

use std::{collections::HashSet, fs, thread};

/// One thread per physical core: two on one core only wait for each other.
pub(super) fn cores() -> usize {
    let usable = processors();
    physical_cores().unwrap_or(usable).min(usable)
}

/// How many threads can run at once.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Whether it is a virtual one, where the processor says so.
pub(super) fn is_virtual() -> bool {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut flags = processors.lines().filter(|line| line.starts_with("flags"));
    flags
        .next()
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
}

/// Names the machine, so that what was measured on another one is not taken for its own (a home directory
/// may be on several).
pub(super) fn name() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find(|line| line.starts_with("model name") || line.starts_with("CPU part"))
        .unwrap_or_default();
    format!(
        "{} {} {processor} {} cores",
        std::env::consts::OS,
        std::env::consts::ARCH,
        cores()
    )
}

/// The kernel's driver of the device at this address on the PCI bus, with its version where it says one.
pub(super) fn driver(address: &str) -> Option<String> {
    if address.is_empty() || address.contains('/') {
        return None;
    }
    let link = fs::read_link(format!("/sys/bus/pci/devices/{address}/driver")).ok()?;
    let name = link.file_name()?.to_str()?.to_owned();
    let version = fs::read_to_string(format!("/sys/module/{name}/version"));
    Some(match version {
        Ok(version) => format!("{name} {}", version.trim()),
        Err(_) => name,
    })
}

/// `None` where nobody says.
fn physical_cores() -> Option<usize> {
    let mut cores = HashSet::new();
    for entry in fs::read_dir("/sys/devices/system/cpu").ok()?.flatten() {
        if let Ok(siblings) = fs::read_to_string(entry.path().join("topology/thread_siblings_list"))
        {
            cores.insert(siblings);
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}
