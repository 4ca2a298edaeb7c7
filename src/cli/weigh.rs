//! `ghostline weigh`: fits the weights of the live cache to a model, on source files that nothing is measured with
//! later. For those who build ghostline with another model; prints what belongs into `engine/mix/weights.rs`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

use super::{Global, Unusable, print, random::Random, say, settings};
use crate::{
    document::{Document, Snapshot},
    engine::{
        Cancel, Summary, heal,
        mix::{
            Known, Mixer,
            fitting::{self, Example},
            weights::{WEIGHTS, Weights},
        },
        model::{Model, ModelError, Sequence, Token},
    },
    models,
    prompt::{Head, Segment, anchor},
    text::ByteOffset,
};

/// Open beside the file, from its own folder.
const OTHERS: usize = 3;
/// Smaller files say little, larger ones are mostly generated.
const SIZES: std::ops::Range<usize> = 1_500..200_000;
/// A target has to have so many bytes.
const LEAST: usize = 3;
/// One place in so many tells whether the weights hold for others.
const HELD_OUT: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Folders of source files (Rust and Python)
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// How many places are looked at
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    places: usize,
    /// Which places
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// A place whose line is known.
struct Place {
    snapshot: Snapshot,
    cursor: ByteOffset,
    others: Vec<Snapshot>,
    rest_of_line: String,
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let (layered, warnings) = settings::load(global)?;
    for warning in warnings {
        say(&warning.to_string());
    }
    let mut files = Vec::new();
    for folder in &options.folders {
        collect(folder, &mut files)
            .with_context(|| format!("while looking for source files in `{}`", folder.display()))?;
    }
    if files.is_empty() {
        return Err(Unusable(
            "no Rust or Python file of 1.5 to 200 kB is there; name another folder".to_owned(),
        )
        .into());
    }
    let (mut model, summary) = models::loader(layered.config())(&mut |_| true)?;
    let mut random = Random::new(options.seed);
    let (mut examples, mut held_out) = (Vec::new(), Vec::new());
    for number in 0..options.places {
        let place = place(&files, &mut random);
        let examples = match number % HELD_OUT {
            0 => &mut held_out,
            _ => &mut examples,
        };
        look(&mut *model, &summary, &place, examples)?;
        if number % 200 == 199 {
            say(&format!("{} of {} places", number + 1, options.places));
        }
    }
    let weights = fitting::fit(&WEIGHTS, &examples);
    let loss = |weights| fitting::loss(weights, &held_out);
    print(&format!(
        "{} tokens, {} held out; of those, in nats per token: {:.3} by the model alone, {:.3} with the weights there are, {:.3} with these:\n{}",
        examples.len(),
        held_out.len(),
        fitting::loss_alone(&held_out),
        loss(&WEIGHTS),
        loss(&weights),
        shown(&weights)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(weights: &Weights) -> String {
    let list = |weights: &[f32]| {
        let each: Vec<String> = weights
            .iter()
            .map(|weight| format!("{weight:.3}"))
            .collect();
        each.join(", ")
    };
    format!(
        "place: [{}],\nmodel: [{}],\n",
        list(&weights.place),
        list(&weights.model)
    )
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|it| it == "rs" || it == "py")
            && let Ok(text) = fs::read_to_string(&path)
            && SIZES.contains(&text.len())
        {
            files.push((path, text));
        }
    }
    Ok(())
}

/// A place within a line, or at its start, in a random file, without the rest of that line.
fn place(files: &[(PathBuf, String)], random: &mut Random) -> Place {
    let open = |path: &Path, text: &str| Document::new(text, 0, "", Some(path)).unparsed();
    loop {
        let file = random.below(files.len());
        let (path, text) = &files[file];
        let at = crate::prompt::floor(text, random.below(text.len()));
        let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = text[at..].find('\n').map_or(text.len(), |len| at + len);
        let indent = start + text[start..end].len() - text[start..end].trim_start().len();
        let cursor = match random.below(2) {
            0 => at.max(indent),
            _ => indent,
        };
        let rest_of_line = text[cursor..end].trim_end();
        if rest_of_line.trim().len() < LEAST {
            continue;
        }
        // The files beside it come next to it.
        let beside = |other: &usize| files[*other].0.parent() == path.parent() && *other != file;
        let near = file.saturating_sub(OTHERS)..(file + OTHERS + 1).min(files.len());
        let others = near
            .filter(beside)
            .take(OTHERS)
            .map(|other| open(&files[other].0, &files[other].1));
        return Place {
            others: others.collect(),
            snapshot: open(path, &[&text[..cursor], &text[end..]].concat()),
            cursor: ByteOffset(cursor),
            rest_of_line: rest_of_line.to_owned(),
        };
    }
}

/// Goes along the line that is known, and notes at each token what the model and the open files say.
fn look(
    model: &mut dyn Model,
    summary: &Summary,
    place: &Place,
    examples: &mut Vec<Example>,
) -> Result<(), ModelError> {
    let Place {
        snapshot,
        cursor,
        others,
        rest_of_line,
    } = place;
    let (_, prompt) = anchor::follow(None, snapshot, *cursor, &summary.plan, others);
    let Some(nearby) = prompt.nearby else {
        return Ok(());
    };
    let boundary = heal::boundary(&prompt.tail);
    let (evaluated, typed) = prompt.tail.split_at(boundary);
    let mut path = tokens_of(model, &prompt.head);
    path.extend(model.tokenize(evaluated));
    let written = model.tokenize(&format!("{typed}{rest_of_line}\n"));
    let rows = rows(model, &path, &written)?;
    let mut mixer = Mixer::new(nearby, &prompt.tail, boundary, Known::default(), true);
    let mut rest = typed.as_bytes();
    for (token, row) in written.iter().zip(&rows) {
        let piece = model.piece(*token).to_vec();
        if let Some(votes) = mixer.votes(model, row, rest) {
            // Whether a line ends by its break or by the end of the completion makes no difference.
            let ends =
                |token: Token| model.is_end(token) || model.piece(token).first() == Some(&b'\n');
            let is_same = |other: Token| other == *token || (ends(*token) && ends(other));
            let all = (0..row.len() as i32)
                .map(Token)
                .filter(|other| is_same(*other));
            examples.push(Example {
                own: all.map(|other| votes.probability(row, other)).sum(),
                is_right: votes
                    .votes
                    .iter()
                    .map(|vote| is_same(vote.token()))
                    .collect(),
                votes,
            });
        }
        mixer.step(&piece);
        rest = &rest[piece.len().min(rest.len())..];
    }
    Ok(())
}

fn tokens_of(model: &dyn Model, head: &Head) -> Vec<Token> {
    let mut tokens: Vec<Token> = model.start_token().into_iter().collect();
    for segment in &head.segments {
        match segment {
            Segment::Special(spelling) => tokens.extend(model.special(spelling)),
            Segment::Text(text) | Segment::Suffix(text) => tokens.extend(model.tokenize(text)),
        }
    }
    tokens
}

/// The row of logits before each token of `written`, which stands behind `path`.
fn rows(
    model: &mut dyn Model,
    path: &[Token],
    written: &[Token],
) -> Result<Vec<Vec<f32>>, ModelError> {
    let cancel = Cancel::default();
    let sequence = Sequence(0);
    model.truncate(sequence, 0);
    let (mut len, mut rows) = (0, Vec::new());
    let batch = model.batch_size();
    for chunk in path.chunks(batch) {
        model.decode(sequence, len, chunk, 1, &cancel)?;
        len += chunk.len();
    }
    rows.push(model.logits(0).to_vec());
    for chunk in written[..written.len().saturating_sub(1)].chunks(batch) {
        model.decode(sequence, len, chunk, chunk.len(), &cancel)?;
        len += chunk.len();
        rows.extend((0..chunk.len()).map(|row| model.logits(row).to_vec()));
    }
    Ok(rows)
}
