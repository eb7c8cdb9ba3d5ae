//! `rank`: the metrics that order the leaderboard, and what is better of them.
//!
//! What a tag tells is `goal`'s; here the words of the spec come first, and where nothing tells, the
//! spec is asked.

use super::section::{Section, must_be, text};
use crate::{
    spec::{
        Family, Goal, Metric, RankRule, Untold, goal_of,
        problem::{Place, Problems, hint},
        yaml::Content,
    },
    tags,
};

/// Longest leaderboard head that a spec may ask for.
pub(in crate::spec) const MAX_TOP: u32 = 1000;

/// The words for what is better.
const GOALS: [(&str, Goal); 2] = [("maximize", Goal::Maximize), ("minimize", Goal::Minimize)];

/// The scalars that the built-in trainers write, by full tag.
pub(in crate::spec) fn known_tags() -> Vec<&'static str> {
    let mut known = vec![
        tags::VALIDATION_ACCURACY,
        tags::VALIDATION_LOSS,
        tags::TRAIN_ACCURACY,
        tags::TRAIN_LOSS,
        tags::LEARNING_RATE,
        tags::BATCH_LOSS,
        tags::IMAGES_PER_SECOND,
    ];
    known.extend(tags::VALIDATION_METRICS);
    known
}

/// A metric as the spec names it.
struct Named<'a> {
    tag: &'a str,
    place: &'a Place,
    /// What the spec says is better.
    goal: Option<Goal>,
}

/// `built_in` is a trainer that is known to log [`known_tags`] and nothing else; the name is that of the experiment.
pub(super) fn read(
    top: &Section<'_>,
    built_in: Option<Family>,
    (name, untold): (&str, &Untold),
    problems: &mut Problems,
) -> Option<RankRule> {
    let section = match top.given("rank") {
        Some(entry) => Section::open(&entry.value, "rank", &entry.place, problems)?,
        None => Section::absent("rank", &top.place),
    };
    section.only(&["by", "goal", "then", "top"], problems);
    let top_n = match section.entry("top") {
        Some(_) => section.u32("top", 1, MAX_TOP, problems),
        None => Some(10),
    };
    // A wrong one is reported; the metric is looked at all the same.
    let is_said = section.given("goal").is_some();
    let goal = if is_said { section.word("goal", &GOALS, problems) } else { None };
    let by = match section.entry("by") {
        Some(_) => metric(&section, "by", built_in, problems).and_then(|by| {
            let goal = one_goal(&section, goal, by.goal, problems).or_else(|| goal_of(by.tag));
            let goal = goal.or_else(|| untold.goal(name, by.tag));
            if goal.is_none() && (!is_said || by.goal.is_some()) {
                let meant = untold.meant(name, by.tag).map(|meant| format!("; did you mean `{meant}`?"));
                problems.add(
                    by.place,
                    format!(
                        "`rank.by`: nothing in `{}` tells whether higher or lower values are better{} add `goal: minimize` \
                         or `goal: maximize` to `rank`, or say `--set rank.goal=minimize`",
                        by.tag,
                        meant.as_deref().unwrap_or(";")
                    ),
                );
            }
            Some(Metric { tag: by.tag.to_owned(), goal: goal? })
        }),
        None => {
            let by = Metric::by_tag(tags::VALIDATION_ACCURACY);
            Some(Metric { goal: goal.unwrap_or(by.goal), ..by })
        }
    };
    let then = match section.entry("then") {
        Some(entry) if entry.value.is_null() => Some(None),
        Some(_) => metric(&section, "then", built_in, problems).map(|then| {
            let told = Metric::by_tag(then.tag);
            Some(Metric { goal: then.goal.unwrap_or(told.goal), ..told })
        }),
        None => Some(Some(Metric::by_tag(match by.as_ref().map(|by| by.tag.as_str()) {
            Some(tags::VALIDATION_LOSS) => tags::VALIDATION_ACCURACY,
            _ => tags::VALIDATION_LOSS,
        }))),
    };
    let (by, then) = (by?, then?);
    if let Some(then) = then.as_ref().filter(|then| then.tag == by.tag)
        && let Some(entry) = section.entry("then")
    {
        let message = format!("`rank.then` is the metric of `rank.by`, `{}`: it breaks no tie", then.tag);
        problems.add(&entry.place, message);
    }
    Some(RankRule { by, then, top: top_n? })
}

/// The goal of `rank.by`: that of `rank.goal`, or that of its own mapping. The command line replaces the file's.
fn one_goal(
    section: &Section<'_>,
    rank: Option<Goal>,
    by: Option<Goal>,
    problems: &mut Problems,
) -> Option<Goal> {
    if let (Some(rank), Some(by)) = (rank, by)
        && rank != by
        && let Some(entry) = section.entry("goal")
        && matches!(entry.value.place, Place::File { .. })
    {
        problems
            .add(&entry.value.place, "`rank.goal` is another one than `rank.by.goal`; leave one of them out");
    }
    rank.or(by)
}

/// A tag, or a mapping of `tag` and `goal`.
fn metric<'a>(
    section: &Section<'a>,
    key: &str,
    built_in: Option<Family>,
    problems: &mut Problems,
) -> Option<Named<'a>> {
    let entry = section.entry(key)?;
    let (tag_node, goal) = match &entry.value.content {
        Content::Mapping(_) => {
            let metric = Section::open(&entry.value, &section.path(key), &entry.place, problems)?;
            metric.only(&["tag", "goal"], problems);
            let goal = metric.word("goal", &GOALS, problems);
            let Some(tag) = metric.given("tag") else {
                metric.missing("tag", "sub-run and tag, such as `validation/epoch_accuracy`", problems);
                return None;
            };
            (&tag.value, goal)
        }
        _ => (&entry.value, None),
    };
    let path = format!("`{}`", section.path(key));
    let Some(tag) = text(tag_node).filter(|tag| is_tag(tag)) else {
        must_be(&path, "a tag such as `validation/epoch_accuracy`", tag_node, problems);
        return None;
    };
    // A run that never logs the metric cannot rank, which would show only after everything is trained.
    let known = known_tags();
    if let Some(family) = built_in
        && !known.contains(&tag)
    {
        let hint = hint(tag, &known);
        problems.add(&tag_node.place, format!("{path}: `{family}` does not log `{tag}`{hint}"));
        return None;
    }
    Some(Named { tag, place: &tag_node.place, goal })
}

/// Not empty, no control characters, no blanks at the ends.
pub(super) fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.trim() == tag && !tag.chars().any(char::is_control)
}
