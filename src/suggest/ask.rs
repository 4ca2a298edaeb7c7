//! The first and the last step of every completion, the same for editors and for the command line: how
//! much to ask for at a place, and what of the model's answer may be shown there.

use std::ops::Range;

use super::{
    Shape, beginning,
    gate::{self, Confidence, Evidence, Likelihood},
    place::Place,
    trigger, trim,
};
use crate::{
    config::{self, MultiLine},
    document::Snapshot,
    prompt::format::Format,
    text::ByteOffset,
};

/// How much is wanted at `cursor`, if anything, under these settings.
pub fn shape(
    snapshot: &Snapshot,
    cursor: ByteOffset,
    is_invoked: bool,
    settings: &config::Completion,
) -> Option<Shape> {
    let shape = trigger::decide(snapshot, cursor, is_invoked)?;
    Some(match settings.multi_line {
        MultiLine::Auto => shape,
        MultiLine::Always => Shape::Block,
        MultiLine::Never => Shape::Line,
    })
}

/// Ghost text, and how likely it is to be right.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub text: String,
    /// That its first line is.
    pub probability: f64,
    pub evidence: Evidence,
    /// Only the beginning of what the model would say.
    pub is_part: bool,
}

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unshown {
    /// The model had nothing to say that is not there already.
    Nothing,
    /// Less likely than the settings want; never when the user asked by hand.
    Unsure,
}

/// What a model said, and what it takes to clean that up.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    pub text: &'a str,
    pub confidence: Confidence,
    pub shape: Shape,
    /// The model's, whose control tokens must not be shown when it spells them out.
    pub format: &'a Format,
    /// The model would go on, or has: these are whole words of what it says.
    pub goes_on: bool,
}

/// What of a completion may be shown at `cursor`.
pub fn shown(
    raw: &Raw<'_>,
    snapshot: &Snapshot,
    cursor: ByteOffset,
    is_invoked: bool,
    settings: &config::Completion,
) -> Result<Shown, Unshown> {
    let text = raw.format.without_leaks(raw.text);
    let text = trim::trim(text, snapshot, cursor, raw.shape).ok_or(Unshown::Nothing)?;
    let evidence = Evidence::new(raw.confidence, &Place::of(snapshot, cursor).left, &text);
    let shown = Shown {
        probability: gate::probability(&evidence, &raw.format.name),
        evidence,
        text,
        is_part: raw.goes_on,
    };
    let threshold = if is_invoked {
        0.0
    } else {
        settings.min_confidence
    };
    if gate::is_worth_showing(shown.probability, threshold) {
        Ok(shown)
    } else {
        Err(Unshown::Unsure)
    }
}

/// The beginning of a completion's first line, for where [`shown`] finds the whole too unlikely. `tokens` are those that
/// the bytes `part` of what the model said are made of, and these are `raw`'s text.
pub fn beginning(
    raw: &Raw<'_>,
    tokens: &[Likelihood],
    part: &Range<usize>,
    (snapshot, cursor): (&Snapshot, ByteOffset),
    settings: &config::Completion,
) -> Option<Shown> {
    if !settings.partial_lines {
        return None;
    }
    let text = raw.format.without_leaks(raw.text);
    let threshold = beginning::threshold(settings.min_confidence);
    let (text, probability) = beginning::of(text, raw.goes_on, tokens, part, threshold)?;
    // What the line would be cut to, be it because of what follows the cursor, is no end of a word.
    let kept = trim::trim(text, snapshot, cursor, Shape::Line).filter(|kept| kept == text)?;
    let end = part.start + kept.len();
    let confidence = Confidence::of(gate::tokens_of(tokens, &(part.start..end)))?;
    Some(Shown {
        evidence: Evidence::new(confidence, &Place::of(snapshot, cursor).left, &kept),
        text: kept,
        probability,
        is_part: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        document::Document,
        prompt::format::{ModelFacts, recognise},
    };

    const CONTROL: [&str; 3] = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"];

    fn at(text_with_cursor: &str) -> (Snapshot, ByteOffset) {
        let cursor = text_with_cursor.find('|').unwrap();
        let mut document = Document::new(&text_with_cursor.replace('|', ""), 0, "rust", None);
        (document.snapshot(), ByteOffset(cursor))
    }

    #[test]
    fn settings_decide_between_a_line_and_a_block() {
        let (snapshot, cursor) = at("fn f() {\n    |\n}\n");
        let shape_with = |multi_line| {
            shape(
                &snapshot,
                cursor,
                false,
                &config::Completion {
                    multi_line,
                    ..config::Completion::default()
                },
            )
        };
        assert_eq!(shape_with(MultiLine::Never), Some(Shape::Line));
        assert_eq!(shape_with(MultiLine::Always), Some(Shape::Block));
        assert_eq!(
            shape_with(MultiLine::Auto),
            trigger::decide(&snapshot, cursor, false)
        );
    }

    #[test]
    fn what_is_unlikely_is_shown_only_when_asked_for_by_hand() {
        let (snapshot, cursor) = at("let x = |\n");
        let unlikely = Confidence {
            first: -5.0,
            mean: -5.0,
            least: -5.0,
            tokens: 3,
        };
        let shown = |is_invoked| shown_at(&snapshot, cursor, "1;", unlikely, is_invoked);
        assert_eq!(shown(false), Err(Unshown::Unsure));
        assert_eq!(shown(true), Ok("1;".to_owned()));
    }

    fn shown_at(
        snapshot: &Snapshot,
        cursor: ByteOffset,
        text: &str,
        confidence: Confidence,
        is_invoked: bool,
    ) -> Result<String, Unshown> {
        let facts = ModelFacts {
            control_tokens: CONTROL.map(String::from).into(),
            ..ModelFacts::default()
        };
        let format = recognise(&facts, None).expect("its tokens are there");
        let raw = Raw {
            text,
            confidence,
            shape: Shape::Line,
            format: &format,
            goes_on: false,
        };
        shown(
            &raw,
            snapshot,
            cursor,
            is_invoked,
            &config::Completion::default(),
        )
        .map(|shown| shown.text)
    }

    #[test]
    fn a_control_token_that_is_spelled_out_is_not_shown() {
        let (snapshot, cursor) = at("let x = |\n");
        let shown = |text| shown_at(&snapshot, cursor, text, Confidence::default(), false);
        assert_eq!(shown("1;<fim_suffix>2"), Ok("1;".to_owned()));
        assert_eq!(shown("1;<fim_pre"), Ok("1;".to_owned()));
        assert_eq!(shown("<fim_middle>1;"), Err(Unshown::Nothing));
    }
}
