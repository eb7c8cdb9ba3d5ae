//! Groups (patients, say) that are on several sides of the split.
//!
//! Called by the audit with the pattern of the spec, with which it cannot happen, or with another one that a user gives to
//! see what a spec without groups has done.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Subject;
use crate::corpus::{SplitError, split::group_of};

/// What a pattern says about the images and their split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupCheck {
    /// The regular expression.
    pub pattern: String,
    /// Images that it matches.
    pub images: u64,
    /// Groups of them.
    pub groups: u64,
    /// Groups whose images are of several classes.
    pub across_classes: u64,
    /// Groups that are in several parts of the split, by name.
    pub across_parts: Vec<SplitGroup>,
}

/// A group that is in several parts of the split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitGroup {
    /// Its name: what the pattern matched.
    pub group: String,
    /// Its images that train.
    pub train: u64,
    /// Those that validate.
    pub validation: u64,
    /// Those that are held out for the test.
    pub test: u64,
}

pub(super) fn check(subjects: &[Subject], pattern: &str) -> Result<GroupCheck, SplitError> {
    let regex = Regex::new(pattern).map_err(|error| SplitError::Pattern(Box::new(error)))?;
    let mut groups: BTreeMap<&str, Vec<&Subject>> = BTreeMap::new();
    for subject in subjects {
        if let Some(group) = group_of(&subject.file, &regex) {
            groups.entry(group).or_default().push(subject);
        }
    }
    if groups.is_empty() {
        return Err(SplitError::NoGroups { pattern: pattern.to_owned(), names: subjects.len() });
    }
    let several_classes =
        |group: &&Vec<&Subject>| group.iter().any(|subject| subject.label != group[0].label);
    let split = |(name, group): (&&str, &Vec<&Subject>)| {
        let mut parts = [0; 3];
        group.iter().filter_map(|subject| subject.part).for_each(|part| parts[part as usize] += 1);
        let sides = parts.iter().filter(|&&images| images > 0).count();
        let [train, validation, test] = parts;
        (sides > 1).then(|| SplitGroup { group: (*name).to_owned(), train, validation, test })
    };
    Ok(GroupCheck {
        pattern: pattern.to_owned(),
        images: groups.values().map(|group| group.len() as u64).sum(),
        groups: groups.len() as u64,
        across_classes: groups.values().filter(several_classes).count() as u64,
        across_parts: groups.iter().filter_map(split).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Part;

    #[test]
    fn groups_on_both_sides_are_named() {
        let subject = |file: &str, label, part| Subject {
            file: file.to_owned(),
            label,
            part: Some(part),
            ..Subject::default()
        };
        let subjects = [
            subject("normal/p1_a.png", 0, Part::Train),
            subject("normal/p1_b.png", 0, Part::Validation),
            subject("covid/p1_c.png", 1, Part::Validation),
            subject("covid/p2_a.png", 1, Part::Train),
            subject("covid/p2_b.png", 1, Part::Train),
            subject("covid/other.png", 1, Part::Test),
        ];
        let found = check(&subjects, r"^(p\d+)_").unwrap();
        assert_eq!((found.images, found.groups, found.across_classes), (5, 2, 1));
        let p1 = SplitGroup { group: "p1".to_owned(), train: 1, validation: 2, test: 0 };
        assert_eq!(found.across_parts, [p1]);
        assert!(check(&subjects, "^q").unwrap_err().to_string().contains("matches none of 6"));
        assert!(matches!(check(&subjects, "("), Err(SplitError::Pattern(_))));
    }
}
