//! `ghostline stats`: how many suggestions were shown, accepted and rejected on this machine. What is counted is
//! `suggest/fate.rs`'s, where it is kept `statistics.rs`'s.

use std::{path::Path, process::ExitCode};

use serde::Serialize;

use super::{Global, Unusable, print};
use crate::{
    report::{Table, percent, thousands},
    statistics::{self, Day, Statistics, StatisticsError, Tally},
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long, conflicts_with = "reset")]
    json: bool,
    /// Delete what has been counted
    #[arg(long)]
    reset: bool,
    /// How many days to look back, today included
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=400), conflicts_with = "reset")]
    days: u16,
}

/// How it was found out, and what the numbers are shares of.
const METHOD: &str = "\
Shown is what stood for 0.6 s or longer, or was used; the shares are of that, and what is missing to 100 % went away by
itself. Whole acceptances are told by the editor (Helix tells nothing), the rest is inferred from the edits that follow.";

pub(super) fn run(_: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let path = statistics::path().ok_or_else(|| {
        Unusable("there is no folder to keep statistics in; set HOME or XDG_STATE_HOME".to_owned())
    })?;
    if options.reset {
        let held = statistics::reset(&path).map_err(unusable)?;
        print(&deleted(&path, held.as_ref()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let today = Day::today();
    let days = usize::from(options.days);
    let counted = statistics::read(&path).map_err(unusable)?;
    let counted = counted.since(today.days_before(days - 1));
    if options.json {
        let json = serde_json::to_string_pretty(&as_json(&counted, &path, today, days))?;
        print(&format!("{json}\n"))?;
    } else {
        print(&written(&counted, &path, today, days))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unusable(error: StatisticsError) -> Unusable {
    Unusable(error.to_string())
}

fn deleted(path: &Path, held: Option<&Statistics>) -> String {
    let path = path.display();
    match held {
        Some(held) if held.days.is_empty() => "there was nothing to delete\n".to_owned(),
        Some(held) => format!(
            "deleted the counts of {} on {} ({path})\n",
            many(held.total().shown, "suggestion"),
            many(held.days.len() as u64, "day"),
        ),
        None => format!("deleted a file that could not be read ({path})\n"),
    }
}

fn written(counted: &Statistics, path: &Path, today: Day, days: usize) -> String {
    let total = counted.total();
    if total.shown == 0 {
        return format!(
            "nothing has been counted in the last {} yet: use ghostline in your editor for a while, and look again\n",
            many(days as u64, "day")
        );
    }
    let mut table = Table::new([
        "language",
        "model",
        "shown",
        "accepted",
        "in part",
        "typed along",
        "typed away",
        "dismissed",
        "characters",
        "in a frame",
    ])
    .with_left(2);
    let by = counted.by_language_and_model();
    for ((language, model), tally) in &by {
        table.row(cells(language, model, tally));
    }
    if by.len() > 1 {
        table.row(cells("all", "", &total));
    }
    let shown = spark(today, days, |day| counted.of(day).shown as f64);
    let used = spark(today, days, |day| used_share(&counted.of(day)));
    let first = today.days_before(days - 1);
    let mut chart = Table::of_words(["", ""]);
    chart.row(["shown", &shown]);
    chart.row(["used of them", &used]);
    format!(
        "{table}\n{chart}{:14}{first} to {today}, one column per day; used: accepted, in part or whole, or typed along\n\n\
         {METHOD}\nKept in {}, and nowhere else.\n",
        "",
        path.display()
    )
}

fn cells(language: &str, model: &str, tally: &Tally) -> Vec<String> {
    let share = |part: u64| percent(part as f64 / tally.shown.max(1) as f64);
    vec![
        language.to_owned(),
        model.to_owned(),
        thousands(tally.shown),
        share(tally.accepted),
        share(tally.partly_accepted),
        share(tally.typed_along),
        share(tally.typed_away),
        share(tally.dismissed),
        thousands(tally.characters),
        share(tally.latency.within_a_frame),
    ]
}

fn used_share(tally: &Tally) -> f64 {
    let used = tally.accepted + tally.partly_accepted + tally.typed_along;
    used as f64 / tally.shown.max(1) as f64
}

/// A column per day, the highest as high as a line; nothing is a dot.
fn spark(today: Day, days: usize, value: impl Fn(Day) -> f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = (0..days)
        .rev()
        .map(|before| value(today.days_before(before)));
    let values = Vec::from_iter(values);
    let highest = values.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| match *value {
        ..=0.0 => '·',
        value => BARS[((value / highest * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    values.iter().map(bar).collect()
}

/// `1 day`, `2 days`
fn many(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", thousands(count))
}

#[derive(Serialize)]
struct Json<'a> {
    file: String,
    from: Day,
    to: Day,
    total: Tally,
    by_language_and_model: Vec<Group<'a>>,
    by_day: Vec<Daily>,
}

#[derive(Serialize)]
struct Group<'a> {
    language: &'a str,
    model: &'a str,
    #[serde(flatten)]
    tally: Tally,
}

#[derive(Serialize)]
struct Daily {
    day: Day,
    #[serde(flatten)]
    tally: Tally,
}

fn as_json<'a>(counted: &'a Statistics, path: &Path, today: Day, days: usize) -> Json<'a> {
    let by = counted.by_language_and_model().into_iter();
    Json {
        file: path.display().to_string(),
        from: today.days_before(days - 1),
        to: today,
        total: counted.total(),
        by_language_and_model: by
            .map(|((language, model), tally)| Group {
                language,
                model,
                tally,
            })
            .collect(),
        by_day: counted
            .days
            .keys()
            .map(|day| Daily {
                day: *day,
                tally: counted.of(*day),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::*;
    use crate::suggest::fate::{About, End};

    const TODAY: Day = Day(20_783);

    fn some() -> Statistics {
        let mut counted = Statistics::default();
        let mut count = |before, language: &str, end, n| {
            let about = About {
                language: language.to_owned(),
                model: "ghostline-small".to_owned(),
                latency: Duration::from_millis(9),
            };
            for _ in 0..n {
                counted.count(TODAY.days_before(before), &about, end);
            }
        };
        count(0, "rust", End::Accepted { characters: 20 }, 300);
        count(0, "rust", End::TypedAway, 700);
        count(2, "rust", End::PartlyAccepted { characters: 5 }, 40);
        count(2, "python", End::Dismissed, 10);
        count(6, "python", End::TypedAlong, 1);
        counted
    }

    #[test]
    fn acceptance_is_told_by_language_and_model_with_a_chart() {
        let written = written(&some(), Path::new("statistics.json"), TODAY, 7);
        expect![[r#"
            language  model            shown  accepted  in part  typed along  typed away  dismissed  characters  in a frame
            rust      ghostline-small  1,040    28.8 %    3.8 %        0.0 %      67.3 %      0.0 %       6,200     100.0 %
            python    ghostline-small     11     0.0 %    0.0 %        9.1 %       0.0 %     90.9 %           0     100.0 %
            all                        1,051    28.5 %    3.8 %        0.1 %      66.6 %      1.0 %       6,200     100.0 %

            shown         ▁···▁·█
            used of them  █···▇·▃
                          2026-11-20 to 2026-11-26, one column per day; used: accepted, in part or whole, or typed along

            Shown is what stood for 0.6 s or longer, or was used; the shares are of that, and what is missing to 100 % went away by
            itself. Whole acceptances are told by the editor (Helix tells nothing), the rest is inferred from the edits that follow.
            Kept in statistics.json, and nowhere else.
        "#]]
        .assert_eq(&written);
    }

    #[test]
    fn nothing_counted_and_nothing_to_delete_are_sentences() {
        let none = Statistics::default();
        let path = Path::new("statistics.json");
        assert!(
            written(&none, path, TODAY, 30)
                .starts_with("nothing has been counted in the last 30 days yet")
        );
        assert_eq!(deleted(path, Some(&none)), "there was nothing to delete\n");
        assert_eq!(
            deleted(path, Some(&some())),
            "deleted the counts of 1,051 suggestions on 3 days (statistics.json)\n"
        );
        assert_eq!(
            deleted(path, None),
            "deleted a file that could not be read (statistics.json)\n"
        );
    }

    #[test]
    fn the_json_holds_the_same_counts() {
        let some = some();
        let json = as_json(&some, Path::new("x.json"), TODAY, 7);
        let json = serde_json::to_value(json).unwrap();
        assert_eq!(json["from"], "2026-11-20");
        assert_eq!(json["total"]["shown"], 1_051);
        assert_eq!(json["by_language_and_model"][1]["language"], "python");
        assert_eq!(json["by_day"][2]["accepted"], 300);
        assert_eq!(json["by_day"][2]["latency"]["within_a_frame"], 1_000);
    }
}
