//! Tables in a Markdown page, between two lines that name them, so that a page's figures are those of the
//! last run and its words stay.

/// `page` with `content` between its lines `<!-- bench NAME -->` and `<!-- end -->`; an error, as a sentence,
/// where it has no such lines.
pub(super) fn with_content(page: &str, name: &str, content: &str) -> Result<String, String> {
    let (opening, closing) = (format!("<!-- bench {name} -->\n"), "<!-- end -->");
    let missing = || format!("the page has no line `{}`", opening.trim_end());
    let start = page.find(&opening).ok_or_else(missing)? + opening.len();
    let end = page[start..].find(closing).ok_or_else(|| {
        format!(
            "the page has no line `{closing}` after `{}`",
            opening.trim_end()
        )
    })?;
    Ok(format!(
        "{}\n{}\n\n{}",
        &page[..start],
        content.trim_end(),
        &page[start + end..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Title\n<!-- bench eager -->\nold\n<!-- end -->\nwords\n<!-- bench vscode -->\n<!-- end -->\n";

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        let once = with_content(PAGE, "eager", "new\n").unwrap();
        assert_eq!(once, PAGE.replace("old\n", "\nnew\n\n"));
        assert_eq!(with_content(&once, "eager", "new").unwrap(), once);
        let other = with_content(PAGE, "vscode", "new").unwrap();
        assert!(
            other.contains("old\n")
                && other.ends_with("<!-- bench vscode -->\n\nnew\n\n<!-- end -->\n")
        );
    }

    #[test]
    fn a_page_without_the_lines_is_told() {
        assert_eq!(
            with_content(PAGE, "neovim", "x"),
            Err("the page has no line `<!-- bench neovim -->`".to_owned())
        );
        assert!(with_content("<!-- bench eager -->\n", "eager", "x").is_err());
    }
}
