//! Links between the pages lead to files and headings that are there.

use std::path::Path;

use super::{pages, root, text};

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    let mut broken = Vec::new();
    for page in pages() {
        let content = text(&page);
        for link in links(&content) {
            seen += 1;
            if let Err(why) = follow(&page, &content, link) {
                broken.push(format!("{page}: {link}: {why}"));
            }
        }
    }
    assert!(seen > 30, "only {seen} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The targets of Markdown links and images that are of this repository.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"))
}

fn follow(page: &str, content: &str, link: &str) -> Result<(), String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(page).parent().expect("a folder");
    let target = root().join(folder).join(path);
    let other;
    let content = if path.is_empty() {
        content
    } else if !target.exists() {
        return Err("no such file".to_owned());
    } else if anchor.is_empty() {
        return Ok(());
    } else {
        other = std::fs::read_to_string(&target).map_err(|error| error.to_string())?;
        &other
    };
    let found = anchor.is_empty() || headings(content).any(|heading| heading == anchor);
    if found { Ok(()) } else { Err("no such heading".to_owned()) }
}

/// The names that GitHub gives to the headings.
fn headings(page: &str) -> impl Iterator<Item = String> {
    page.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

#[test]
fn what_is_not_there_is_found() {
    let page = "# A page\n[a](#a-page) [b](#b) [c](gone.md) [d](../Cargo.toml) [e](https://example.org)\n";
    let broken: Vec<&str> = links(page).filter(|link| follow("docs/spec.md", page, link).is_err()).collect();
    assert_eq!(broken, ["#b", "gone.md"]);
}
