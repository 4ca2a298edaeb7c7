//! Drafts as a job meets them, with a model that recites. Tokens are characters.

use proptest::{collection::vec, prelude::*};

use super::*;

fn tokens(text: &str) -> Vec<Token> {
    text.chars().map(|char| Token(char as i32)).collect()
}

fn shown(tokens: &[Token]) -> String {
    let chars = tokens.iter().map(|token| char::from_u32(token.0 as u32));
    chars.map(|char| char.unwrap()).collect()
}

fn ascii(token: Token) -> &'static [u8] {
    const BYTES: [u8; 128] = {
        let mut bytes = [0; 128];
        let mut at = 0;
        while at < 128 {
            bytes[at] = at as u8;
            at += 1;
        }
        bytes
    };
    &BYTES[token.0 as usize..=token.0 as usize]
}

/// What a step of so many tokens costs.
type Cost = fn(usize) -> Duration;

const GPU: Cost = |batch| Duration::from_micros(1000 + 40 * (batch as u64 - 1));
const CPU: Cost = |batch| Duration::from_micros(500 * batch as u64);

/// Generates `story` behind `path` as the worker would; says what came out and in how many steps.
fn generate(
    drafts: &mut Drafts,
    path: &str,
    typed: &str,
    story: &str,
    cost: Cost,
) -> (String, usize) {
    let story = tokens(story);
    drafts.begin(&tokens(path), typed.as_bytes());
    let mut written = Vec::new();
    let mut steps = 0;
    while written.len() < story.len() {
        let chosen = story[written.len()];
        written.push(chosen);
        drafts.step(chosen, ascii(chosen));
        let draft = drafts.draft(story.len() - written.len());
        let drafted = draft.as_ref().map_or(&[][..], |draft| &draft.tokens);
        assert!(drafted.len() <= MAX_DRAFT.min(story.len() - written.len()));
        steps += 1;
        drafts.observe_step(drafted.len() + 1, cost(drafted.len() + 1));
        // Behind a wrong token the model says something else altogether: what was drafted.
        let rows = |at: usize| match story.get(written.len() + at) {
            Some(token) if story[written.len()..].starts_with(&drafted[..at]) => *token,
            _ => drafted[at],
        };
        let accepted = drafted
            .iter()
            .enumerate()
            .take_while(|(at, token)| rows(*at) == **token)
            .count();
        let accepted_tokens = drafted[..accepted].to_vec();
        for token in accepted_tokens {
            written.push(token);
            drafts.step(token, ascii(token));
        }
        if let Some(draft) = &draft {
            drafts.observe_draft(draft, accepted);
        }
    }
    (shown(&written), steps)
}

const FILE: &str =
    "fn open(path: &Path) -> Result<File> {\n    File::open(path).context(\"cannot open\")?\n}\n";

#[test]
fn what_an_open_file_says_takes_fewer_steps() {
    let mut drafts = Drafts::default();
    drafts.learn(&tokens(FILE));
    let (_, first) = generate(&mut drafts, "", "", FILE, GPU);
    let (text, steps) = generate(&mut drafts, "", "", FILE, GPU);
    assert_eq!(text, FILE);
    assert!(
        first < FILE.len() / 2 && steps < FILE.len() / 4,
        "{first}, then {steps} of {}",
        FILE.len()
    );
}

#[test]
fn rejected_ghost_text_is_verified_behind_what_was_typed_instead() {
    let mut drafts = Drafts::default();
    // Something to measure a plain step by.
    generate(&mut drafts, "", "", "xyz", GPU);
    drafts.reject(&tokens("open(path, options, mode)?;"), ascii);
    let (text, steps) = generate(
        &mut drafts,
        "let file = c",
        "c",
        "reate(path, options, mode)?;",
        GPU,
    );
    assert_eq!(text, "reate(path, options, mode)?;");
    assert!(steps <= "reate(".len() + 4, "{steps}");
    // Once forgotten it takes a step per token.
    drafts.reject(&[], ascii);
    let (_, steps) = generate(
        &mut drafts,
        "let file = c",
        "c",
        "reate(path, options, mode)?;",
        GPU,
    );
    assert_eq!(steps, text.len());
}

#[test]
fn where_larger_steps_cost_as_much_as_plain_ones_hardly_any_is_taken() {
    let mut drafts = Drafts::default();
    drafts.learn(&tokens(FILE));
    generate(&mut drafts, "", "", FILE, CPU);
    let (text, steps) = generate(&mut drafts, "", "", FILE, CPU);
    assert_eq!((text.as_str(), steps), (FILE, FILE.len()));
}

#[test]
fn a_source_is_judged_even_while_it_is_not_used() {
    let mut drafts = Drafts::default();
    drafts.learn(&tokens(FILE));
    generate(&mut drafts, "", "", FILE, CPU);
    let before = drafts.records[Source::Learnt as usize].acceptance();
    for _ in 0..3 {
        generate(&mut drafts, "", "", FILE, CPU);
    }
    assert!(drafts.records[Source::Learnt as usize].acceptance() > before.max(0.9));
    // Misleading from now on: every known beginning goes on differently.
    let misleading: String = FILE
        .as_bytes()
        .chunks(3)
        .map(|three| format!("{}~", String::from_utf8_lossy(three)))
        .collect();
    drafts.learn(&tokens(&FILE.chars().rev().collect::<String>()));
    for _ in 0..3 {
        generate(&mut drafts, "", "", &misleading, CPU);
    }
    assert!(drafts.records[Source::Learnt as usize].acceptance() < 0.5);
}

#[test]
fn of_two_sources_the_better_one_is_asked() {
    let mut drafts = Drafts::default();
    drafts.learn(&tokens("let one = first + second;"));
    generate(&mut drafts, "", "", "xyz", GPU);
    drafts.reject(&tokens(" one = other;"), ascii);
    let draft = |drafts: &mut Drafts| {
        drafts.begin(&tokens("let one ="), b" one =");
        drafts
            .draft(7)
            .map(|draft| (draft.source, shown(&draft.tokens)))
    };
    assert_eq!(
        draft(&mut drafts),
        Some((Source::Rejected, " other;".to_owned()))
    );
    for _ in 0..20 {
        drafts.records[Source::Rejected as usize].observe(7, 0);
    }
    assert_eq!(
        draft(&mut drafts),
        Some((Source::Learnt, " first ".to_owned()))
    );
}

#[test]
fn a_source_that_pays_is_asked_before_one_that_only_promises_more() {
    let mut drafts = Drafts::default();
    drafts.learn(&tokens("let one = first + second;"));
    drafts.reject(&tokens(" one = something else;"), ascii);
    for _ in 0..10 {
        drafts.observe_step(1, Duration::from_millis(2));
        drafts.observe_step(2, Duration::from_millis(3));
        drafts.observe_step(8, Duration::from_millis(16));
        drafts.records[Source::Learnt as usize].observe(7, 6);
    }
    drafts.begin(&tokens("let one ="), b" one =");
    let draft = drafts.draft(7);
    assert_eq!(
        draft.map(|it| (it.source, shown(&it.tokens))),
        Some((Source::Learnt, " ".to_owned()))
    );
}

#[test]
fn an_unused_draft_is_judged_as_a_whole() {
    let mut drafts = Drafts::default();
    drafts.learn(&tokens("abcdefgh"));
    // `def` is what follows `abc`: two are right, the third is not.
    generate(&mut drafts, "", "", &"abcde-".repeat(30), CPU);
    let acceptance = drafts.records[Source::Learnt as usize].acceptance();
    assert!((acceptance - 2.0 / 3.0).abs() < 0.05, "{acceptance}");
}

#[test]
fn a_job_knows_nothing_of_the_one_before() {
    let mut drafts = Drafts::default();
    (0..3).for_each(|_| drafts.observe_step(1, GPU(1)));
    drafts.learn(&tokens("abcdef"));
    drafts.reject(&tokens("foo(x)"), ascii);
    let mut draft = |path: &str, typed: &str| {
        drafts.begin(&tokens(path), typed.as_bytes());
        drafts.draft(7).map(|draft| shown(&draft.tokens))
    };
    assert_eq!(draft("ab", "foo(y"), None);
    assert_eq!(draft("c", "foo(y"), None);
    assert_eq!(draft("c", "foo"), Some("(x)".to_owned()));
    assert_eq!(draft("abc", "foo(x)"), Some("def".to_owned()));
}

proptest! {
    #[test]
    fn whatever_is_drafted_the_text_is_the_models(
        files in vec("[ab(]{0,30}", 0..4), rejected in "[ab(]{0,20}", typed in "[ab(]{0,4}",
        stories in vec("[ab(]{1,30}", 1..6), is_cheap in any::<bool>(),
    ) {
        let mut drafts = Drafts::default();
        files.iter().for_each(|file| drafts.learn(&tokens(file)));
        drafts.reject(&tokens(&rejected), ascii);
        for story in stories {
            let (text, steps) = generate(&mut drafts, &typed, &typed, &story, if is_cheap { GPU } else { CPU });
            prop_assert!(steps <= story.len());
            prop_assert_eq!(text, story);
        }
    }
}
