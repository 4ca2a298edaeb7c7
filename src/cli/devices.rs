//! What `ghostline doctor` says of what there is to compute on: devices, and the files that drive them.

use crate::{
    engine::llama::{Device, Fate, Files},
    report::thousands,
};

/// A name and what is to be said, each.
pub(super) fn rows(devices: &[Device], files: &Files) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    if let Some(folder) = &files.folder {
        let named = |is_wanted: fn(&Fate) -> bool| {
            let names = files.files.iter().filter(|it| is_wanted(&it.fate));
            Vec::from_iter(names.map(|it| it.name.as_str())).join(", ")
        };
        let mut said = vec![folder.display().to_string()];
        for (what, is_wanted) in [
            ("used", (|it| *it == Fate::Used) as fn(&Fate) -> bool),
            ("without a device here", |it| *it == Fate::NoDevice),
            ("left out", |it| {
                matches!(it, Fate::Refused(_) | Fate::Lacking(_))
            }),
        ] {
            let names = named(is_wanted);
            if !names.is_empty() {
                said.push(format!("{what}: {names}"));
            }
        }
        rows.push(["back ends".to_owned(), said.join("; ")]);
    }
    for device in devices {
        let mut said = format!("{}: {}", device.id, device.name);
        if device.total > 0 {
            let mebibytes = |bytes: u64| thousands(bytes >> 20);
            let whose = if device.is_integrated || !device.is_gpu {
                " of the machine's memory"
            } else {
                ""
            };
            said += &format!(
                ", {} of {} MiB{whose} free",
                mebibytes(device.free),
                mebibytes(device.total)
            );
        }
        if device.is_gpu {
            said += &format!(", by {}", device.backend);
        }
        if let Some(driver) = &device.driver {
            said += &format!(", driver {driver}");
        }
        rows.push(["device".to_owned(), said]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::llama::BackendFile;

    #[test]
    fn devices_and_files_are_said_in_words() {
        let device = |id: &str, name: &str, is_gpu| Device {
            id: id.to_owned(),
            name: name.to_owned(),
            backend: "Vulkan".to_owned(),
            is_gpu,
            is_integrated: false,
            free: 7 << 30,
            total: 8 << 30,
            driver: is_gpu.then(|| "amdgpu".to_owned()),
        };
        let file = |name: &str, fate| BackendFile {
            name: name.to_owned(),
            fate,
        };
        let files = Files {
            folder: Some("/opt/ghostline/lib/ghostline".into()),
            files: vec![
                file("libggml-cpu-haswell.so", Fate::Used),
                file("libggml-cpu-x64.so", Fate::NotNeeded),
                file("libggml-cuda.so", Fate::Refused("why".to_owned())),
                file("libggml-vulkan.so", Fate::Used),
            ],
            trouble: None,
        };
        let devices = [
            device("Vulkan0", "Radeon", true),
            device("CPU", "EPYC", false),
        ];
        let rows = rows(&devices, &files).into_iter();
        let rows: String = rows
            .map(|[name, said]| format!("{name}: {said}\n"))
            .collect();
        expect_test::expect![[r#"
            back ends: /opt/ghostline/lib/ghostline; used: libggml-cpu-haswell.so, libggml-vulkan.so; left out: libggml-cuda.so
            device: Vulkan0: Radeon, 7,168 of 8,192 MiB free, by Vulkan, driver amdgpu
            device: CPU: EPYC, 7,168 of 8,192 MiB of the machine's memory free
        "#]]
        .assert_eq(&rows);
    }
}
