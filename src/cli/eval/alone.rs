//! What the live cache says without a model, as the server says it while one is loading.

use crate::{
    document::Document,
    nearby,
    suggest::{Shape, trigger, trim},
    syntax::language::Language,
    text::ByteOffset,
};

/// Empty where there is doubt.
pub(super) fn says(text: &str, cursor: usize, language: &Language) -> String {
    let document = Document::new(text, 0, &language.name, None);
    let (snapshot, cursor) = (document.unparsed(), ByteOffset(cursor));
    trigger::decide(&snapshot, cursor, false)
        .and_then(|_| nearby::alone(&snapshot, cursor, &[]))
        .and_then(|line| trim::trim(&line, &snapshot, cursor, Shape::Line))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_above_is_said_and_nothing_where_nothing_is_alike() {
        let rust = Language::of("rust", None);
        let above = "fn a() {\n    let answer = compute(1, 2);\n}\n";
        let text = format!("{above}fn b() {{\n    let answer = ");
        assert_eq!(says(&text, text.len(), rust), "compute(1, 2);");
        let text = format!("{above}struct Wholly");
        assert_eq!(says(&text, text.len(), rust), "");
    }
}
