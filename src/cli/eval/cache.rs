//! The second thing to be better than: a language model that knows nothing but the open file, by counts of short runs
//! of tokens that back off to shorter ones where a run is new.

/// Tokens that a guess is made from at most: with the one that is guessed, runs of eight.
const LONGEST_CONTEXT: usize = 7;
/// Tokens that are guessed at most.
const LONGEST_GUESS: usize = 48;

/// What the counts say at `cursor` in `text`, which has nothing behind it on its line: token by token the one that
/// most often follows the longest run before it which stands elsewhere in the file (of equals, the one that last does),
/// up to the end of the line. A word at the cursor is guessed as a whole, among those that begin like it and those that are
/// it.
pub(super) fn guessed(text: &str, cursor: usize) -> String {
    let mut context = tokens(&text[..cursor]);
    let begun = match context.last() {
        Some(last) if last.starts_with(is_in_word) => context.pop().unwrap_or_default(),
        _ => "",
    };
    let mut known = context.clone();
    // No run goes over the cursor.
    known.push("");
    known.extend(tokens(&text[cursor..]));

    let mut guess = String::new();
    for n_guessed in 0..LONGEST_GUESS {
        let begins = if n_guessed == 0 { begun } else { "" };
        let Some(next) = likeliest(&known, &context, begins) else {
            break;
        };
        if next.starts_with('\n') {
            break;
        }
        guess += &next[begins.len()..];
        context.push(next);
    }
    guess.truncate(guess.trim_end().len());
    guess
}

/// The token that follows the longest end of `context` in `known` and begins with `begun`; it may be just that.
fn likeliest<'t>(known: &[&'t str], context: &[&str], begun: &str) -> Option<&'t str> {
    let may_follow = |next: &str| !next.is_empty() && next.starts_with(begun);
    // How long a run of the context stands before each place; the cursor's own is no evidence.
    let mut longest = 0;
    let mut found: Vec<&str> = Vec::new();
    for (at, next) in known.iter().enumerate() {
        if !may_follow(next) {
            continue;
        }
        let pairs = known[..at].iter().rev().zip(context.iter().rev());
        let same = pairs
            .take(LONGEST_CONTEXT)
            .take_while(|(a, b)| a == b)
            .count();
        if same > longest {
            longest = same;
            found.clear();
        }
        // Without any run the words of the file are left, where one is begun.
        if same == longest && (same > 0 || !begun.is_empty()) {
            found.push(next);
        }
    }
    let count = |token: &&str| found.iter().filter(|other| *other == token).count();
    // Of equals `max_by_key` takes the last.
    found.iter().max_by_key(|token| count(token)).copied()
}

/// Words, runs of blanks, line breaks with the indentation behind them, and every other character for itself.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '\n' => rest.len() - rest.trim_start_matches(['\n', ' ', '\t']).len(),
            ' ' | '\t' => rest.len() - rest.trim_start_matches([' ', '\t']).len(),
            _ if is_in_word(first) => rest.len() - rest.trim_start_matches(is_in_word).len(),
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..len]);
        rest = &rest[len..];
    }
    tokens
}

fn is_in_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(drawn: &str, expected: &str) {
        let cursor = drawn.find('|').unwrap();
        assert_eq!(guessed(&drawn.replacen('|', "", 1), cursor), expected);
    }

    #[test]
    fn text_falls_into_words_blanks_and_signs() {
        assert_eq!(
            tokens("let a_1 = b;\n    // é\n\n"),
            [
                "let", " ", "a_1", " ", "=", " ", "b", ";", "\n    ", "/", "/", " ", "é", "\n\n"
            ]
        );
    }

    #[test]
    fn the_longest_run_that_is_known_decides() {
        check("a.one();\nb.two();\nb.|\n", "two();");
        check("a.one();\nb.two();\nc.|\n", "two();");
        check("new\nwords |\n", "");
    }

    #[test]
    fn of_several_the_most_frequent_wins_and_of_equals_the_last() {
        check("f(x)\nf(y)\nf(x)\n\nf(|\n", "x)");
        check("f(x)\nf(y)\n\nf(|\n", "y)");
    }

    #[test]
    fn what_follows_the_cursor_counts_too_but_not_across_it() {
        check("self.|\n\nself.a = a;\n", "a = a;");
        check("x = |\n\nx = 5\n", "5");
    }

    #[test]
    fn a_word_that_is_begun_is_finished() {
        check("let first = call(one);\nlet second = ca|\n", "ll(one);");
        check("call\ncal|\n", "l");
        check("let x = value;\nlet y = value|\n", ";");
        check("call\ncall|\n", "");
    }
}
