//! The first and the last step of every completion, the same for editors and for the command line: how
//! much to ask for at a place, and what of the model's answer may be shown there.

use super::{
    Shape,
    gate::{self, Confidence},
    trigger, trim,
};
use crate::{
    config::{self, MultiLine},
    document::Snapshot,
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

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unshown {
    /// The model had nothing to say that is not there already.
    Nothing,
    /// Less likely than the settings want; never when the user asked by hand.
    Unsure,
}

/// What of a completion may be shown at `cursor`.
pub fn shown(
    text: &str,
    confidence: Confidence,
    snapshot: &Snapshot,
    cursor: ByteOffset,
    shape: Shape,
    is_invoked: bool,
    settings: &config::Completion,
) -> Result<String, Unshown> {
    let ghost = trim::trim(text, snapshot, cursor, shape).ok_or(Unshown::Nothing)?;
    let threshold = if is_invoked {
        0.0
    } else {
        settings.min_confidence as f32
    };
    if gate::is_worth_showing(confidence, threshold) {
        Ok(ghost)
    } else {
        Err(Unshown::Unsure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

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
        };
        let settings = config::Completion::default();
        let shown = |is_invoked| {
            shown(
                "1;",
                unlikely,
                &snapshot,
                cursor,
                Shape::Line,
                is_invoked,
                &settings,
            )
        };
        assert_eq!(shown(false), Err(Unshown::Unsure));
        assert_eq!(shown(true), Ok("1;".to_owned()));
    }
}
