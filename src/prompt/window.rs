//! Window sizes and where windows start: on line starts, moved in half-window steps.
//!
//! A window that slid by a token per keystroke would throw the KV cache away each time. So a start is kept
//! as long as the window still fits, and then moved by half a window. Lines that are longer than a window
//! (minified files) are cut inside, at character boundaries, in steps as well.

use super::format::{Format, WindowTokens};
use crate::text::{ByteOffset, Text};

/// Window sizes in bytes of text; tokens are about 3.5 bytes of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub prefix: usize,
    pub suffix: usize,
    pub tail: usize,
    pub context: usize,
}

/// A little under the 3.6 to 3.85 that vocabularies of 8 k tokens reach on code; larger ones reach more.
const BYTES_PER_TOKEN: usize = 3;

impl Windows {
    /// The sizes for a model: the format's own, else by what the model was trained with (in tokens; 0 when
    /// unknown), always leaving room for an answer.
    pub fn new(format: &Format, context_length: usize) -> Windows {
        let tokens = format.windows.unwrap_or(match context_length {
            4096.. => WindowTokens {
                prefix: 1024,
                suffix: 256,
                tail: 256,
                context: 1024,
            },
            0 | 2048.. => WindowTokens {
                prefix: 768,
                suffix: 256,
                tail: 256,
                context: 256,
            },
            short => WindowTokens {
                prefix: short / 2,
                suffix: short / 8,
                tail: short / 8,
                context: 0,
            },
        });
        Windows {
            prefix: tokens.prefix * BYTES_PER_TOKEN,
            suffix: tokens.suffix * BYTES_PER_TOKEN,
            tail: tokens.tail * BYTES_PER_TOKEN,
            context: tokens.context * BYTES_PER_TOKEN,
        }
    }
}

impl Windows {
    /// The same sizes with room for about so many tokens in all: less of this file, and nothing of others. `self` if
    /// they have that already.
    #[must_use]
    pub fn within(self, tokens: usize) -> Windows {
        let own = self.prefix + self.suffix;
        let bytes = tokens.saturating_mul(BYTES_PER_TOKEN);
        if own + self.tail + self.context <= bytes {
            return self;
        }
        let beside_tail = bytes.saturating_sub(self.tail / TYPED);
        let room = beside_tail.max(FEWEST_TOKENS * BYTES_PER_TOKEN).min(own);
        let share = |part: usize| part * room / own.max(1);
        Windows {
            prefix: share(self.prefix),
            suffix: share(self.suffix),
            context: 0,
            ..self
        }
    }
}

/// A fresh tail is the line of the cursor, which is about so small a part of its window.
const TYPED: usize = 8;

/// What is read around the cursor's line at least, so that a slow machine has a few lines, too. With so many the built-in
/// model was right at 654 of 2,400 places, with its whole windows at 684 (docs/performance.md).
const FEWEST_TOKENS: usize = 50;

/// Where the window of at most `size` bytes before `end` starts: at `previous` while that is still right,
/// half a window before `end` when it has just been outgrown, a whole one at a new place.
pub fn start(
    text: &Text,
    end: ByteOffset,
    size: usize,
    previous: Option<ByteOffset>,
) -> ByteOffset {
    let grown = previous.and_then(|previous| end.0.checked_sub(previous.0));
    if let (Some(previous), Some(length)) = (previous, grown)
        && length <= size
        && (previous.0 == 0 || length >= size / 4)
        && text.floor(previous) == previous
    {
        return previous;
    }
    if end.0 <= size {
        return ByteOffset(0);
    }
    let is_outgrown = grown.is_some_and(|length| size < length && length <= 2 * size);
    let length = if is_outgrown { size / 2 } else { size };
    let target = end.0 - length;
    let line = text.line_of(ByteOffset(target));
    let (this, next) = (text.line_start(line), text.line_start(line + 1));
    if this.0 == target {
        return this;
    }
    if next <= end && end.0 - next.0 >= length / 2 {
        return next;
    }
    let step = size / 4;
    text.floor(ByteOffset(this.0 + steps(target - this.0, step) + step))
}

/// Where the window of at most `size` bytes after `start` ends: after a line break, or inside a line that
/// is longer than the rest of the window. Depends on nothing but the text after `start`.
pub fn end(text: &Text, start: ByteOffset, size: usize) -> ByteOffset {
    let limit = ByteOffset(start.0.saturating_add(size));
    if limit >= text.len() {
        return text.len();
    }
    let line_start = text.line_start(text.line_of(limit));
    match line_start.0.saturating_sub(start.0) {
        enough if enough > 0 && enough >= size / 4 => line_start,
        _ => text.floor(limit).max(start),
    }
}

/// Where a tail of at most `size` bytes that ends at `cursor` starts: at the cursor's line, or, in a line
/// that is longer, at the last step that leaves a quarter of it to read and a quarter to grow.
pub fn tail_start(text: &Text, cursor: ByteOffset, size: usize) -> ByteOffset {
    let line_start = text.line_start(text.line_of(cursor));
    let typed = cursor.0 - line_start.0;
    if typed <= size {
        return line_start;
    }
    text.floor(ByteOffset(line_start.0 + steps(typed - size / 4, size / 2)))
}

/// `distance` rounded down to whole steps.
fn steps(distance: usize, step: usize) -> usize {
    let step = step.max(1);
    distance / step * step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prompt::format::{ModelFacts, recognise};

    fn lines(n: usize) -> Text {
        Text::new(&"let value = compute(1234);\n".repeat(n))
    }

    #[test]
    fn a_short_text_is_one_window() {
        assert_eq!(start(&lines(3), ByteOffset(54), 100, None), ByteOffset(0));
        assert_eq!(end(&lines(3), ByteOffset(27), 100), ByteOffset(81));
    }

    #[test]
    fn a_start_stays_until_the_window_is_full_and_then_moves_by_half() {
        let text = lines(1000);
        let size = 270;
        let mut previous = None;
        let mut moves = Vec::new();
        for line in 100..130 {
            let now = start(&text, text.line_start(line), size, previous);
            if previous != Some(now) {
                moves.push(line);
            }
            previous = Some(now);
        }
        assert_eq!(moves, [100, 101, 107, 113, 119, 125]);
    }

    #[test]
    fn windows_begin_and_end_with_lines() {
        let text = lines(1000);
        let from = start(&text, text.line_start(500), 270, None);
        assert_eq!(from.0 % 27, 0);
        assert_eq!(end(&text, text.line_start(500), 270).0 % 27, 0);
    }

    #[test]
    fn the_built_in_model_gets_the_windows_it_was_trained_with() {
        let control_tokens: std::collections::HashSet<String> =
            ["<|fim_prefix|>", "<|fim_suffix|>", "<|rust|>", "<|python|>"]
                .map(String::from)
                .into();
        let windows = |context_length| {
            let facts = ModelFacts {
                control_tokens: control_tokens.clone(),
                context_length,
                ..ModelFacts::default()
            };
            let format = recognise(&facts, None).expect("its tokens are there");
            let windows = Windows::new(&format, context_length);
            [
                windows.prefix,
                windows.suffix,
                windows.tail,
                windows.context,
            ]
        };
        assert_eq!(windows(768), [1200, 336, 336, 0]);
        // Of the smallest shape, and where nothing is known.
        assert_eq!(windows(512), [720, 240, 288, 0]);
        assert_eq!(windows(0), [720, 240, 288, 0]);
    }

    #[test]
    fn a_model_with_a_short_context_gets_small_windows() {
        let format =
            recognise(&ModelFacts::default(), Some("left-to-right")).expect("needs no token");
        let tiny = Windows::new(&format, 512);
        assert!(
            (tiny.prefix + tiny.suffix + tiny.tail) / BYTES_PER_TOKEN < 512 - 64,
            "{tiny:?}"
        );
        assert!(Windows::new(&format, 0).prefix > tiny.prefix);
        assert!(Windows::new(&format, 32_768).prefix > Windows::new(&format, 2048).prefix);
    }

    #[test]
    fn what_has_to_be_quick_looks_at_less_of_the_file_and_at_no_other() {
        let format = recognise(&ModelFacts::default(), Some("left-to-right")).expect("is known");
        let whole = Windows::new(&format, 4096);
        assert_eq!(whole.within(5_000), whole);
        let short = whole.within(700);
        let read = short.prefix + short.suffix + short.tail / TYPED;
        assert!((680..=700).contains(&(read / BYTES_PER_TOKEN)), "{short:?}");
        assert_eq!((short.context, short.tail), (0, whole.tail));
        assert_eq!(short.prefix / short.suffix, whole.prefix / whole.suffix);
        assert_eq!(whole.within(0), whole.within(FEWEST_TOKENS));
        let least = whole.within(0);
        let around = (least.prefix + least.suffix) / BYTES_PER_TOKEN;
        assert!((FEWEST_TOKENS - 1..=FEWEST_TOKENS).contains(&around) && least.suffix > 0);
        let tiny = Windows::new(&format, 64);
        assert_eq!(tiny.within(0), tiny);
    }

    proptest! {
        #[test]
        fn windows_keep_their_size_and_cut_no_character(
            source in "(é{0,40}|[a-z ]{0,60}|\n){0,30}",
            at in 0usize..2000,
            size in 0usize..200,
            previous in proptest::option::of(0usize..2000),
        ) {
            let text = Text::new(&source);
            let at = text.floor(ByteOffset(at));
            let from = start(&text, at, size, previous.map(ByteOffset));
            prop_assert!(from <= at && at.0 - from.0 <= size + 3);
            prop_assert!(source.is_char_boundary(from.0));
            let to = end(&text, at, size);
            prop_assert!(to >= at && to.0 - at.0 <= size);
            prop_assert!(source.is_char_boundary(to.0));
            let tail = tail_start(&text, at, size);
            prop_assert!(tail <= at && at.0 - tail.0 <= size + 3);
            prop_assert!(source.is_char_boundary(tail.0));
        }
    }
}
