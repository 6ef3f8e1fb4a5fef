//! Files and names of the code that pages mention in backticks.

use crate::markdown::{Page, files, pages, root};
use session_export_operator::api::Reason;
use session_export_operator::api::policy::PolicyReason;
use session_export_operator::aws::failure::ConnectionFailure;

/// Folders of the repository: what begins so is a path.
const FOLDERS: [&str; 11] = [
    "src/",
    "docs/",
    "tests/",
    "tools/",
    "charts/",
    "examples/",
    "crds/",
    "gitops/",
    "benches/",
    "simulator/",
    ".github/",
];

fn is_pattern(code: &str) -> bool {
    code.contains(['*', '{', ' ', '<', '$', ':'])
}

/// A path from the root, from `src/`, or from the page.
fn exists(page: &Page, path: &str) -> bool {
    let beside = root().join(&page.path).parent().unwrap().join(path);
    root().join(path).exists() || root().join("src").join(path).exists() || beside.exists()
}

#[test]
fn every_path_in_backticks_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        for code in page.inline_code() {
            let is_source = code.ends_with(".rs") && code.contains('/');
            let is_path = FOLDERS.iter().any(|folder| code.starts_with(folder)) || is_source;
            if is_path && !is_pattern(&code) && !exists(&page, &code) {
                missing.push(format!("{}: {code}", page.path));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A name such as `OperatorIdentity::authorize`, `API_BACKOFF` or `ExportInventory`.
fn is_name(code: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    code.split("::").all(plain) && (code.contains("::") || code.contains('_') || code.starts_with(char::is_uppercase))
}

#[test]
fn the_architecture_names_what_is_in_the_code() {
    let page = pages().into_iter().find(|page| page.path == "docs/architecture.md").unwrap();
    let sources: Vec<String> = ["src", "tests", "charts", "simulator/src", "benches"]
        .into_iter()
        .flat_map(|folder| {
            ["rs", "yaml", "tpl", "json"].into_iter().flat_map(move |extension| files(&root().join(folder), extension))
        })
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let is_known = |word: &str| {
        sources.iter().any(|source| source.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word))
    };
    let unknown: Vec<String> =
        page.inline_code().into_iter().filter(|code| is_name(code) && !code.split("::").all(is_known)).collect();
    assert!(unknown.is_empty(), "docs/architecture.md names what is in no source: {unknown:?}");
}

/// The reasons without a line in the table of a page.
fn without_line<'a>(path: &str, reasons: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let page = pages().into_iter().find(|page| page.path == path).unwrap();
    reasons.into_iter().filter(|reason| !page.text.contains(&format!("\n| `{reason}` |"))).collect()
}

#[test]
fn the_pages_of_statuses_have_a_line_for_each_reason() {
    let missing = without_line("docs/status.md", Reason::ALL.map(Reason::as_str));
    assert!(missing.is_empty(), "{missing:?}");
    let missing = without_line("docs/policies.md", PolicyReason::ALL.map(PolicyReason::as_str));
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_glossary_has_few_words() {
    let page = pages().into_iter().find(|page| page.path == "docs/architecture.md").unwrap();
    let glossary = page.text.split("\n## Glossary\n").nth(1).unwrap().split("\n## ").next().unwrap();
    assert!(glossary.lines().filter(|line| line.starts_with("| ")).count() <= 25 + 1);
}

#[test]
fn the_page_of_reasons_says_what_to_do_about_each_failed_connection() {
    let page = pages().into_iter().find(|page| page.path == "docs/why-is-my-export-not-done.md").unwrap();
    let code = page.inline_code();
    for failure in ConnectionFailure::ALL.map(|failure| failure.to_string()) {
        assert!(code.iter().any(|code| code.len() > 10 && failure.starts_with(code)), "{failure}");
    }
}
