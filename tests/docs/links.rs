//! Relative links and their anchors.

use crate::markdown::{Page, pages, root};
use std::path::{Component, Path, PathBuf};

/// The file that a link leads to, relative to the repository; `None` for a link to the web.
fn target_of(page: &Page, link: &str) -> Option<(PathBuf, String)> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let from = Path::new(&page.path);
    let joined = if path.is_empty() { from.to_owned() } else { from.parent().unwrap().join(path) };
    let mut plain = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{}: {link} leads out of the repository", page.path),
            Component::Normal(name) => plain.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some((plain, anchor.to_owned()))
}

#[test]
fn every_link_and_anchor_exists() {
    let pages = pages();
    let mut broken = Vec::new();
    for page in &pages {
        for link in page.links() {
            let Some((path, anchor)) = target_of(page, &link) else { continue };
            let to = pages.iter().find(|other| Path::new(&other.path) == path);
            let found = root().join(&path).exists()
                && (anchor.is_empty() || to.is_some_and(|to| to.anchors().contains(&anchor)));
            if !found {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A newcomer finds every page from the README.
#[test]
fn every_page_of_docs_is_linked_from_another() {
    let pages = pages();
    let linked: Vec<PathBuf> = pages
        .iter()
        .flat_map(|page| page.links().into_iter().filter_map(|link| target_of(page, &link)).map(|(path, _)| path))
        .collect();
    let lonely: Vec<&String> = pages
        .iter()
        .map(|page| &page.path)
        .filter(|path| path.starts_with("docs/") && !linked.contains(&PathBuf::from(path)))
        .collect();
    assert!(lonely.is_empty(), "{lonely:?}");
}

#[test]
fn the_readme_is_short() {
    let readme = pages().into_iter().find(|page| page.path == "README.md").unwrap();
    assert!(readme.text.lines().count() <= 150);
}
