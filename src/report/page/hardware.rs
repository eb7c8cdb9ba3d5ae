//! What the hardware did: how long each slot was busy, and its idle times by cause.

use crate::{
    report::{document::Section, input::ReportInput, trace::idle_table},
    schedule::Slot,
};

/// The section; none where no slot of a machine is known: those of a cluster stand for nothing that could be idle.
pub(super) fn section(input: &ReportInput) -> Option<Section> {
    if input.slots.iter().all(|lane| lane.slot.starts_with(Slot::IN_SLURM)) {
        return None;
    }
    let mut section = Section::new("hardware", "What the hardware did");
    section.prose(
        "How long each slot had a run, and why it had none: before its first one, between two, and at the end, when others still \
         ran and nothing was left to start. What was measured of the machine meanwhile is in TensorBoard (system/*) and in the \
         trace that gridboard trace writes.",
    );
    section.table("slots", idle_table(&input.leaderboard.experiment, &input.slots));
    Some(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        document::Block,
        input::samples::input,
        trace::{Cause, Gap, Lane},
    };

    #[test]
    fn a_slot_is_a_row_and_without_slots_there_is_no_section() {
        let mut input = input(1);
        assert_eq!(section(&input), None);
        let gaps = vec![Gap { from: 0.0, to: 3.0, cause: Cause::BetweenRuns }];
        input.slots = vec![Lane { slot: "cpu/0".to_owned(), busy: 9.0, gaps }];
        let blocks = section(&input).unwrap().blocks;
        let Block::Table { stem, table } = &blocks[1] else { panic!("{blocks:?}") };
        assert_eq!((stem.as_str(), table.rows.len(), table.rows[0].len()), ("slots", 1, 6));
        input.slots[0].slot = "slurm/0".to_owned();
        assert_eq!(section(&input), None);
    }
}
