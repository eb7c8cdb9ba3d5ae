//! Whether all that has ended has failed alike, so that the rest would too: a program that is wrong fails every run, and a
//! sweep that goes through all of them tells nothing more.
//!
//! Pure; fed by the sweep loop with a sentence for each failure. What follows is the loop's to do: it drains.

/// Compares the first failures of a sweep.
#[derive(Clone, Debug)]
pub struct Alike {
    /// So many alike are enough; 0 for never.
    limit: u32,
    /// The failure that all of them are.
    first: Option<String>,
    seen: u32,
    /// Whether a run was completed, or two have failed differently: then nothing follows from failures any more.
    settled: bool,
}

impl Alike {
    /// Looks out for `limit` failures that are alike, 0 for never. Where runs of the experiment were `completed` before, its
    /// program is known to work.
    #[must_use]
    pub fn new(limit: u32, completed: bool) -> Self {
        Self { limit, first: None, seen: 0, settled: limit == 0 || completed }
    }

    /// A run is completed.
    pub fn completed(&mut self) {
        self.settled = true;
    }

    /// A run has failed for good. `failure` says why, without what is the run's own; `None` for one that depends on the run's
    /// parameters. True once, when the limit is reached.
    pub fn failed(&mut self, failure: Option<&str>) -> bool {
        if self.settled {
            return false;
        }
        let alike = failure.is_some_and(|failure| self.first.as_deref().is_none_or(|first| first == failure));
        if !alike {
            self.settled = true;
            return false;
        }
        self.first = failure.map(str::to_owned);
        self.seen += 1;
        self.settled = self.seen >= self.limit;
        self.settled
    }
}

/// A line of a failure without what is a run's own: its name, and every word with a digit in it (values, steps, addresses,
/// times).
#[must_use]
pub fn without_particulars(line: &str, run: &str) -> String {
    let line = line.replace(run, "RUN");
    let is_word = |letter: char| letter.is_alphanumeric() || "_.+-".contains(letter);
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, behind) = rest.split_at(end);
        plain.push_str(if word.chars().any(|letter| letter.is_ascii_digit()) { "#" } else { word });
        rest = behind;
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn particulars_are_left_out() {
        let plain = |line: &str| without_particulars(line, "lr-0.1");
        for (one, other) in [
            ("ValueError: lr=0.1 is wrong", "ValueError: lr=1e-05 is wrong"),
            ("File \"t.py\", line 3", "File \"t.py\", line 17"),
            ("object at 0x7f3a", "object at 0x11"),
            ("no `/runs/x/lr-0.1/a`", "no `/runs/x/RUN/a`"),
        ] {
            assert_eq!(plain(one), plain(other), "{one}");
        }
        assert_ne!(plain("no optimizer adam"), plain("no optimizer sgd"));
    }

    proptest! {
        /// Against the sentence that describes it: the first `limit` ends are all failures, and all the same.
        #[test]
        fn it_says_so_once_and_only_for_the_first_failures_alike(
            limit in 0_u32..5,
            completed in any::<bool>(),
            // 0 completes, 1 depends on the parameters, others are failures by number.
            ends in prop::collection::vec(0_u8..4, 0..12),
        ) {
            let mut alike = Alike::new(limit, completed);
            let mut told = Vec::new();
            for (place, end) in ends.iter().enumerate() {
                let failure = end.to_string();
                let says = match end {
                    0 => { alike.completed(); false }
                    1 => alike.failed(None),
                    _ => alike.failed(Some(&failure)),
                };
                told.extend(says.then_some(place + 1));
            }
            let first = ends.get(..limit as usize).unwrap_or_default();
            let expected = limit > 0
                && !completed
                && first.len() == limit as usize
                && first.iter().all(|end| *end > 1 && *end == first[0]);
            prop_assert_eq!(told, if expected { vec![limit as usize] } else { Vec::new() });
        }
    }
}
