//! Which series a run has in place of a tag that it did not write, and what to say where it has none. Pure.
//!
//! Many programs write below a folder whose name is made anew for every run: `2026-11-27/eval/loss`, `version_3/val_loss`.
//! The tag that ranks is then the end of one series of each run. The store asks here when it ranks, and keeps the answer, so
//! that views, tables and figures have the same value.

use std::collections::BTreeSet;

use crate::spec::{PARTS, suggest, words_of_tag};

/// So many tags that were written are named.
const NAMED: usize = 8;

/// A tag as the spec names it: `*` in it stands for anything within the name of a folder.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a>(&'a str);

impl<'a> Wanted<'a> {
    /// The tag as something to look for.
    #[must_use]
    pub fn new(tag: &'a str) -> Self {
        Self(tag)
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &'a str {
        self.0
    }

    /// Whether a series may stand for the tag: it fits the pattern, or ends in the tag below some folder.
    #[must_use]
    pub fn may_be(&self, series: &str) -> bool {
        if !self.is_pattern() {
            return self.folder(series).is_some();
        }
        let (pattern, parts) = (self.0.split('/'), series.split('/'));
        pattern.clone().count() == parts.clone().count()
            && pattern.zip(parts).all(|(pattern, part)| fits(pattern, part))
    }

    fn is_pattern(&self) -> bool {
        self.0.contains('*')
    }

    /// The folder above the tag.
    fn folder<'s>(&self, series: &'s str) -> Option<&'s str> {
        series.strip_suffix(self.0)?.strip_suffix('/').filter(|folder| !folder.is_empty())
    }

    /// What of the candidates of each run, none of which has written the tag itself, stands for the tag: those below folders
    /// that are made anew for each run, which have a number in their name or differ from run to run. A folder that names a part
    /// of the data is none of them: the loss of `train/loss` is not that of `loss`.
    #[must_use]
    pub fn chosen<'s>(&self, runs: &[Vec<&'s str>]) -> Vec<Vec<&'s str>> {
        if self.is_pattern() {
            return runs.to_vec();
        }
        let folders: BTreeSet<&str> =
            runs.iter().flatten().filter_map(|series| self.folder(series)).collect();
        let varies = folders.len() > 1 && runs.iter().all(|series| series.len() <= 1);
        let is_made_anew = |series: &&str| {
            self.folder(series).is_some_and(|folder| {
                let names_a_part = words_of_tag(folder).iter().any(|word| PARTS.contains(&word.as_str()));
                !names_a_part && (varies || folder.contains(|letter: char| letter.is_ascii_digit()))
            })
        };
        runs.iter().map(|run| run.iter().copied().filter(is_made_anew).collect()).collect()
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        // The earliest place leaves the most for what follows.
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(last)
}

/// Why a run does not rank that has not written the tag: with the series that might be meant, or those that it has written.
#[must_use]
pub fn never_written(tag: &str, series: &[&str], written: &[&str]) -> String {
    if series.len() > 1 {
        return format!(
            "{} series of the run end in {tag}: {}; name one of them in `rank.by`",
            series.len(),
            named(series)
        );
    }
    if written.is_empty() {
        return format!("{tag} was never written, nor was any other metric");
    }
    let meant = meant(tag, written).map(|meant| format!("; did you mean {meant}?"));
    format!("{tag} was never written{}; written: {}", meant.unwrap_or_default(), named(written))
}

/// The tag that was probably meant.
fn meant<'a>(tag: &str, written: &[&'a str]) -> Option<&'a str> {
    let last = |tag: &'a str| tag.rsplit('/').next().unwrap_or(tag);
    let wanted = tag.rsplit('/').next().unwrap_or(tag);
    let ends: Vec<&str> = written
        .iter()
        .copied()
        .filter(|series| series.strip_suffix(tag).is_some_and(|folder| folder.ends_with('/')))
        .collect();
    match ends.as_slice() {
        [one] => return Some(one),
        [] => {}
        _ => return None,
    }
    suggest(tag, written).or_else(|| {
        let near = suggest(wanted, &written.iter().map(|series| last(series)).collect::<Vec<_>>())?;
        written.iter().copied().find(|series| last(series) == near)
    })
}

/// The first ones by name, and how many more.
fn named(tags: &[&str]) -> String {
    let mut tags: Vec<&str> = tags.to_vec();
    tags.sort_unstable();
    let mut text = tags[..tags.len().min(NAMED)].join(", ");
    if let more @ 1.. = tags.len().saturating_sub(NAMED) {
        text += &format!(" and {more} more");
    }
    text
}

/// The tag without the folders whose names have a number in them, which are made anew for each run now and then.
#[must_use]
pub fn without_numbered_folders(tag: &str) -> String {
    let mut parts: Vec<&str> = tag.split('/').collect();
    let last = parts.pop().unwrap_or_default();
    parts.retain(|part| !part.contains(|letter: char| letter.is_ascii_digit()));
    parts.push(last);
    parts.join("/")
}

/// The folder that a run has made for itself: the series that stands for the tag lies below it.
#[must_use]
pub fn folder_of<'s>(tag: &str, series: &'s str) -> Option<&'s str> {
    Wanted::new(tag).folder(series)
}

/// Which of the series that a run has written is the metric of this name: the one that is called so, the one that is called so
/// in the folder that the run has made for itself, or the only one that differs in the numbers of its folders.
#[must_use]
pub fn series_named<'s>(
    name: &str,
    folder: Option<&str>,
    written: impl Iterator<Item = &'s str> + Clone,
) -> Option<&'s str> {
    let below = folder.map(|folder| format!("{folder}/{name}"));
    let find = |wanted: &str| written.clone().find(|series| *series == wanted);
    find(name).or_else(|| find(below.as_deref()?)).or_else(|| {
        let bare = without_numbered_folders(name);
        let mut alike = written.clone().filter(|series| without_numbered_folders(series) == bare);
        let first = alike.next()?;
        alike.next().is_none().then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<'a>(tag: &str, runs: &[&[&'a str]]) -> Vec<Vec<&'a str>> {
        let wanted = Wanted::new(tag);
        let of = |series: &&[&'a str]| series.iter().copied().filter(|tag| wanted.may_be(tag)).collect();
        wanted.chosen(&runs.iter().map(of).collect::<Vec<_>>())
    }

    #[test]
    fn a_series_below_a_folder_of_its_run_stands_for_the_tag() {
        assert_eq!(
            chosen(
                "eval/loss",
                &[&["2026-11-27/eval/loss", "2026-11-27/train/loss"], &["2026-11-28/eval/loss"]]
            ),
            [["2026-11-27/eval/loss"], ["2026-11-28/eval/loss"]]
        );
        let lightning = "lightning_logs/version_0/val_loss";
        assert_eq!(chosen("val_loss", &[&[lightning]]), [[lightning]]);
        assert_eq!(chosen("acc", &[&["amber/acc"], &["birch/acc"]]), [["amber/acc"], ["birch/acc"]]);
        assert_eq!(chosen("acc", &[&["a1/acc", "b2/acc"]]), [["a1/acc", "b2/acc"]]);
    }

    #[test]
    fn what_may_be_another_metric_does_not_stand_for_the_tag() {
        let none: Vec<Vec<&str>> = vec![vec![]];
        assert_eq!(chosen("val_acc", &[&["validation/val_acc"]]), none);
        assert_eq!(chosen("loss", &[&["2026/train/loss"]]), none);
        assert_eq!(chosen("acc", &[&["model/acc"]]), none);
        assert_eq!(chosen("acc", &[&["train/acc"], &["eval/acc"]]), [[""; 0], [""; 0]]);
        assert_eq!(chosen("acc", &[&["a/acc", "b/acc"], &["c/acc"]]), [[""; 0], [""; 0]]);
        assert_eq!(chosen("loss", &[&["v1/val_loss", "v1/closs"]]), none);
    }

    #[test]
    fn a_star_says_it_outright() {
        assert_eq!(
            chosen("version_*/val_loss", &[&["version_3/val_loss", "version_3/x/val_loss", "v/val_loss"]]),
            [["version_3/val_loss"]]
        );
        assert_eq!(chosen("*/acc", &[&["validation/acc"]]), [["validation/acc"]]);
        assert!(fits("a*b*c", "axxbyyc") && fits("*", "") && fits("ab*", "ab") && fits("*aab", "aaab"));
        assert!(!fits("a*a", "a") && !fits("a*b*c", "axxc") && !fits("ab", "abc"));
        assert_eq!(chosen("*/l.ss", &[&["a/loss"]]), [[""; 0]]);
    }

    #[test]
    fn what_was_written_is_named() {
        assert_eq!(
            never_written("val_acc", &[], &["validation/val_acc", "train/loss"]),
            "val_acc was never written; did you mean validation/val_acc?; written: train/loss, validation/val_acc"
        );
        assert_eq!(
            never_written("val/acuracy", &[], &["val/accuracy"]),
            "val/acuracy was never written; did you mean val/accuracy?; written: val/accuracy"
        );
        assert_eq!(
            never_written("val/acuracy", &[], &["evaluation/accuracy"]),
            "val/acuracy was never written; did you mean evaluation/accuracy?; written: evaluation/accuracy"
        );
        assert_eq!(never_written("x", &[], &[]), "x was never written, nor was any other metric");
        let many: Vec<String> = (0..11).map(|place| format!("metric-{place:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(never_written("quality", &[], &many).ends_with("metric-07 and 3 more"));
        assert_eq!(
            never_written("loss", &["b2/loss", "a1/loss"], &["b2/loss", "a1/loss"]),
            "2 series of the run end in loss: a1/loss, b2/loss; name one of them in `rank.by`"
        );
    }

    #[test]
    fn folders_with_numbers_are_left_out() {
        assert_eq!(without_numbered_folders("2026-11-27/eval/loss2"), "eval/loss2");
        assert_eq!(without_numbered_folders("val/loss"), "val/loss");
    }

    #[test]
    fn a_metric_is_found_in_the_folder_of_its_run() {
        let named =
            |name, folder, written: &[&'static str]| series_named(name, folder, written.iter().copied());
        assert_eq!(folder_of("val_loss", "amber/val_loss"), Some("amber"));
        assert_eq!(named("acc", Some("amber"), &["amber/acc", "birch/acc"]), Some("amber/acc"));
        assert_eq!(named("acc", Some("amber"), &["acc", "amber/acc"]), Some("acc"));
        assert_eq!(named("acc", None, &["v3/acc", "v3/loss"]), Some("v3/acc"));
        assert_eq!(named("v1/acc", None, &["v3/acc"]), Some("v3/acc"));
        assert_eq!(named("acc", None, &["fold_0/acc", "fold_1/acc"]), None);
        assert_eq!(named("acc", None, &["amber/acc"]), None);
    }
}
