//! How `ghostline doctor` shows how the model is run, and why.

use std::time::Duration;

use crate::{
    config::KvType,
    engine::llama::{Calibration, FlashAttention, Origin, Shape, Tuning},
    report::number,
};

/// Rows of a name and a sentence.
pub(super) fn rows(tuning: &Tuning) -> Vec<[String; 2]> {
    let exact = tuning.flash_attention == FlashAttention::OnForExactness;
    let flash = match tuning.flash_attention {
        FlashAttention::On => "on",
        FlashAttention::Off => "off",
        FlashAttention::OnForExactness => "on (fixed by exactness)",
        FlashAttention::Auto => "as llama.cpp chooses",
    };
    let fixed = if exact { " (fixed by exactness)" } else { "" };
    let rows = [
        ("threads", Some(threads(tuning))),
        ("flash attention", Some(flash.to_owned())),
        (
            "KV cache",
            Some(format!("{}{fixed}", tuning.kv_type.name())),
        ),
        ("polling", Some(polling(tuning))),
        ("batches", tuning.shape.as_ref().map(batches)),
        ("calibration", calibration(tuning)),
    ];
    rows.into_iter()
        .filter_map(|(name, sentence)| Some([name.to_owned(), sentence?]))
        .collect()
}

fn threads(tuning: &Tuning) -> String {
    let why = match (&tuning.measured, tuning.origin) {
        (_, Origin::Configured) => "configured".to_owned(),
        (Some(measured), _) => runs(measured),
        (None, _) => "one per core, not measured".to_owned(),
    };
    format!("{} ({why})", tuning.threads)
}

fn runs(measured: &Calibration) -> String {
    let runs = measured.runs.iter().map(|run| {
        let flash = if run.flash_attention && measured.runs.iter().any(|it| !it.flash_attention) {
            " and flash attention"
        } else {
            ""
        };
        let cache = match run.kv_type {
            KvType::F16 => String::new(),
            small => format!(" and a {} cache", small.name()),
        };
        let keystroke = number(Some(run.keystroke_ms()), 1);
        format!(
            "{keystroke} ms per keystroke with {}{flash}{cache}",
            run.threads
        )
    });
    runs.collect::<Vec<_>>().join(", ")
}

fn polling(tuning: &Tuning) -> String {
    let wake = match &tuning.measured {
        Some(measured) if tuning.threads > 1 => {
            let wake = number(Some(measured.wake_ms), 1);
            format!(" (waking costs {wake} ms)")
        }
        _ => String::new(),
    };
    format!("{} of 100{wake}", tuning.polling)
}

fn batches(shape: &Shape) -> String {
    let [plain, filled] = [shape.plain_ms, shape.filled_ms].map(|it| number(Some(it), 1));
    match shape.rows {
        0 => format!("as they come ({plain} ms per keystroke, {filled} if filled up)"),
        rows => {
            format!("filled up to {rows} rows ({filled} ms per keystroke, {plain} as they come)")
        }
    }
}

/// `None` if nothing was measured.
fn calibration(tuning: &Tuning) -> Option<String> {
    let measured = tuning.measured.as_ref()?;
    let took = number(Some(measured.took_ms), 0);
    let file = tuning.file.as_ref().filter(|file| file.exists());
    let place = file.map_or_else(
        || "not kept".to_owned(),
        |file| format!("delete {} to measure again", file.display()),
    );
    Some(match tuning.origin {
        Origin::Kept => format!("measured {}; {place}", ago(measured.age())),
        Origin::MeasuredWhileBusy => {
            format!(
                "measured now in {took} ms; the machine was busy: a server measures again when it is calm"
            )
        }
        _ => format!("measured now in {took} ms; {place}"),
    })
}

fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::llama::Run;

    fn tuning(origin: Origin, flash_attention: FlashAttention) -> Tuning {
        let run = |threads, step_ms| Run {
            threads,
            flash_attention: flash_attention == FlashAttention::OnForExactness,
            kv_type: KvType::F16,
            step_ms,
            chunk_ms: 4.8,
            chunk: 48,
        };
        Tuning {
            threads: 2,
            flash_attention,
            kv_type: KvType::F16,
            polling: 1,
            shape: None,
            origin,
            measured: Some(Calibration {
                of: String::new(),
                at: 0,
                took_ms: 41.7,
                runs: vec![run(1, 0.5), run(2, 0.25)],
                wake_ms: 0.12,
            }),
            file: None,
        }
    }

    #[track_caller]
    fn check(tuning: &Tuning, expected: &Expect) {
        let rows = rows(tuning);
        let lines: Vec<String> = rows.iter().map(|row| row.join(": ")).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn the_measured_times_and_what_exactness_fixes_are_shown() {
        check(
            &tuning(Origin::MeasuredWhileBusy, FlashAttention::OnForExactness),
            &expect![[r#"
                threads: 2 (6.2 ms per keystroke with 1, 3.2 ms per keystroke with 2)
                flash attention: on (fixed by exactness)
                KV cache: f16 (fixed by exactness)
                polling: 1 of 100 (waking costs 0.1 ms)
                calibration: measured now in 42 ms; the machine was busy: a server measures again when it is calm"#]],
        );
    }

    #[test]
    fn what_is_configured_or_estimated_says_so() {
        let mut tuning = tuning(Origin::Configured, FlashAttention::Off);
        tuning.measured = None;
        check(
            &tuning,
            &expect![[r#"
            threads: 2 (configured)
            flash attention: off
            KV cache: f16
            polling: 1 of 100"#]],
        );
        tuning.origin = Origin::Estimated;
        tuning.flash_attention = FlashAttention::Auto;
        tuning.shape = Some(Shape {
            rows: 8,
            plain_ms: 14.2,
            filled_ms: 9.13,
        });
        check(
            &tuning,
            &expect![[r#"
            threads: 2 (one per core, not measured)
            flash attention: as llama.cpp chooses
            KV cache: f16
            polling: 1 of 100
            batches: filled up to 8 rows (9.1 ms per keystroke, 14.2 as they come)"#]],
        );
    }

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let said = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!(said(59), "just now");
        assert_eq!(said(60), "1 minute ago");
        assert_eq!(said(7_300), "2 hours ago");
        assert_eq!(said(86_400 * 9), "9 days ago");
    }
}
