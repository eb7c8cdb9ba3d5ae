//! The follower over directories that change between polls.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::*;
use crate::{
    spec::Value,
    tfevents::{self, EventWriter, hparams},
};

/// Tag and step of every new point; no problems.
fn points(follower: &mut RunFollower) -> Vec<(String, i64)> {
    let poll = follower.poll();
    assert!(poll.problems.is_empty(), "{:?}", poll.problems);
    poll.scalars.into_iter().map(|point| (point.tag, point.step)).collect()
}

fn expected<const N: usize>(points: [(&str, i64); N]) -> Vec<(String, i64)> {
    points.map(|(tag, step)| (tag.to_owned(), step)).into()
}

/// The bytes of an event file with points `steps` under `tag`.
fn bytes(tag: &str, steps: std::ops::Range<i64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, Path::new("memory"), 1.0).unwrap();
    for step in steps {
        writer.scalar(tag, step, 0.5, 2.0).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

struct Run {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
    follower: RunFollower,
}

fn run() -> Run {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("run");
    let follower = RunFollower::new(&dir);
    Run { _temporary: temporary, dir, follower }
}

#[test]
fn points_of_a_live_run_arrive_once_each_with_their_sub_run() {
    let Run { dir, follower, .. } = &mut run();
    assert!(points(follower).is_empty(), "a run that has no directory yet");
    let mut train = EventWriter::create_at(&dir.join("train"), 1.0).unwrap();
    train.scalar("epoch_loss", 0, 0.25, 10.5).unwrap();
    train.flush().unwrap();
    let poll = follower.poll();
    let point = Scalar { tag: "train/epoch_loss".to_owned(), step: 0, value: 0.25, wall_time: 10.5 };
    assert_eq!(poll.scalars, [point]);
    assert!(points(follower).is_empty());

    let mut deep = EventWriter::create_at(&dir.join("validation/folds"), 1.0).unwrap();
    deep.scalar("a/b", 3, 0.5, 1.0).unwrap();
    deep.finish().unwrap();
    EventWriter::create_at(dir, 1.0).unwrap().scalar("own", 9, 0.5, 1.0).unwrap();
    train.scalar("epoch_loss", 1, 0.25, 10.5).unwrap();
    assert_eq!(points(follower), expected([("own", 9), ("validation/folds/a/b", 3)]));
    train.finish().unwrap();
    assert_eq!(points(follower), expected([("train/epoch_loss", 1)]));
    assert!(points(follower).is_empty());

    let all = read_run(dir);
    assert!(all.problems.is_empty());
    let tags: Vec<_> = all.scalars.iter().map(|point| point.tag.as_str()).collect();
    assert_eq!(tags, ["own", "train/epoch_loss", "train/epoch_loss", "validation/folds/a/b"]);
}

#[test]
fn a_torn_tail_waits_for_its_rest() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let path = dir.join("events.out.tfevents.1");
    let whole = bytes("loss", 0..3);
    let mut found = Vec::new();
    for byte in &whole {
        append(&path, &[*byte]);
        found.extend(points(follower));
    }
    assert_eq!(found, expected([("loss", 0), ("loss", 1), ("loss", 2)]));
}

#[test]
fn a_resumed_run_is_read_in_the_order_of_its_files() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let torn = bytes("loss", 0..3);
    fs::write(dir.join("events.out.tfevents.0000000002.b"), bytes("loss", 1..3)).unwrap();
    fs::write(dir.join("events.out.tfevents.0000000001.a"), &torn[..torn.len() - 3]).unwrap();
    // The restart at 1 makes the first file's point there void.
    assert_eq!(points(follower), expected([("loss", 0), ("loss", 1), ("loss", 2)]));
}

#[test]
fn a_corrupt_file_is_told_once_and_then_left() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let path = dir.join("x.tfevents");
    let good = bytes("loss", 0..2);
    fs::write(&path, &good).unwrap();
    append(&path, &[0; 40]);
    let poll = follower.poll();
    assert_eq!(poll.scalars.len(), 2, "what lies before the damage counts");
    let [problem] = &poll.problems[..] else { panic!("{:?}", poll.problems) };
    assert_eq!(
        problem.to_string(),
        format!(
            "event file `{}` is corrupt at byte {}: the checksum of the record's length does not agree",
            path.display(),
            good.len()
        )
    );
    assert!(points(follower).is_empty());
    append(&path, &bytes("loss", 5..9));
    assert!(points(follower).is_empty());
    // Cut back to what was good, it is read anew.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(good.len() as u64).unwrap();
    assert_eq!(points(follower), expected([("loss", 0), ("loss", 1)]));
    // So is a new file in its place.
    fs::remove_file(&path).unwrap();
    fs::write(dir.join("new"), bytes("loss", 7..8)).unwrap();
    fs::rename(dir.join("new"), &path).unwrap();
    assert_eq!(points(follower), expected([("loss", 7)]));
}

#[test]
fn files_that_vanish_or_are_rewritten_are_read_anew() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let path = dir.join("x.tfevents");
    fs::write(&path, bytes("loss", 0..3)).unwrap();
    assert_eq!(points(follower).len(), 3);
    // In place, shorter.
    fs::write(&path, bytes("loss", 8..9)).unwrap();
    assert_eq!(points(follower), expected([("loss", 8)]));
    // Another file of the same name, longer.
    fs::write(dir.join("part"), bytes("other", 0..2)).unwrap();
    fs::rename(dir.join("part"), &path).unwrap();
    assert_eq!(points(follower), expected([("other", 0), ("other", 1)]));
    // Between two polls, perhaps with the inode of the one before.
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes("third", 0..9)).unwrap();
    assert_eq!(points(follower).len(), 9);
    fs::remove_file(&path).unwrap();
    assert!(points(follower).is_empty());
    assert!(follower.files.is_empty());
    // The whole run.
    fs::remove_dir_all(&*dir).unwrap();
    assert!(points(follower).is_empty());
    fs::create_dir_all(dir.join("train")).unwrap();
    fs::write(dir.join("train/x.tfevents"), bytes("loss", 4..5)).unwrap();
    assert_eq!(points(follower), expected([("train/loss", 4)]));
}

#[test]
fn sessions_and_foreign_files_hold_no_points() {
    let Run { dir, follower, .. } = &mut run();
    let hparams = [("layer_size".to_owned(), Value::Int(32))];
    hparams::write_session(dir, &hparams, "", 1.0, None).unwrap();
    fs::write(dir.join("run.json"), "{}").unwrap();
    fs::write(dir.join("notes.txt"), bytes("loss", 0..2)).unwrap();
    assert!(points(follower).is_empty());
    hparams::write_session(dir, &hparams, "", 1.0, Some((hparams::Status::Success, 2.0))).unwrap();
    hparams::write_session(dir, &hparams, "", 3.0, None).unwrap();
    assert!(points(follower).is_empty());
    assert!(follower.files.is_empty(), "Gridboard's own file is not the run's");
    hparams::append_to_session(dir, 3.0, (4, 7.0), &[("system/memory_mib", 2.0), ("rank", 1.0)]).unwrap();
    assert!(points(follower).is_empty());
    let own: Vec<String> =
        RunFollower::new(dir).with_own().poll().scalars.into_iter().map(|point| point.tag).collect();
    assert_eq!(own, ["system/memory_mib"], "the rank is not the run's either");
}

#[test]
fn links_are_followed_within_the_run_and_told_outside_of_it() {
    let Run { dir, follower, _temporary: temporary } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let outside = temporary.path().join("outside");
    fs::create_dir_all(outside.join("empty")).unwrap();
    // In a circle, to nothing, and out to where there are no event files.
    symlink(&*dir, dir.join("loop")).unwrap();
    symlink(dir.join("later"), dir.join("inside")).unwrap();
    symlink(&outside, dir.join("link")).unwrap();
    assert!(points(follower).is_empty());

    fs::create_dir_all(dir.join("later/train")).unwrap();
    fs::write(dir.join("later/train/x.tfevents"), bytes("loss", 0..1)).unwrap();
    symlink("../link", dir.join("later/far")).unwrap();
    assert_eq!(points(follower), expected([("inside/train/loss", 0), ("later/train/loss", 0)]));

    fs::write(outside.join("empty/x.tfevents"), bytes("loss", 0..1)).unwrap();
    symlink(outside.join("empty/x.tfevents"), dir.join("y.tfevents")).unwrap();
    symlink("later/train/x.tfevents", dir.join("z.tfevents")).unwrap();
    let poll = follower.poll();
    let [FollowProblem::Outside { .. }, FollowProblem::Outside { path, target }, more @ ..] =
        &poll.problems[..]
    else {
        panic!("{:?}", poll.problems)
    };
    assert_eq!((path, target), (&dir.join("link"), &fs::canonicalize(&outside).unwrap()));
    assert!(
        matches!(more, [FollowProblem::Outside { path, .. }] if *path == dir.join("y.tfevents")),
        "{more:?}"
    );
    assert_eq!(poll.scalars.len(), 1, "{:?}", poll.scalars);
    assert!(points(follower).is_empty(), "told once");

    // Where a known directory becomes a link, it is one.
    fs::create_dir(dir.join("train")).unwrap();
    assert!(points(follower).is_empty());
    fs::remove_dir(dir.join("train")).unwrap();
    symlink(&outside, dir.join("train")).unwrap();
    let poll = follower.poll();
    assert!(matches!(&poll.problems[..], [FollowProblem::Outside { .. }]) && poll.scalars.is_empty());
    // The run directory itself may be a link.
    symlink(outside.join("empty"), temporary.path().join("alias")).unwrap();
    assert_eq!(read_run(&temporary.path().join("alias")).scalars.len(), 1);
}

#[test]
fn a_bottomless_tree_is_not_followed() {
    let Run { dir, follower, .. } = &mut run();
    let deep = (0..12).fold(dir.clone(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x.tfevents"), bytes("loss", 0..1)).unwrap();
    assert!(points(follower).is_empty());
}

#[test]
fn a_file_written_anew_takes_the_place_of_what_was_read() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let path = dir.join("x.tfevents");
    fs::write(dir.join("a.tfevents"), bytes("other", 0..2)).unwrap();
    let old = bytes("loss", 0..4);
    fs::write(&path, &old).unwrap();
    assert_eq!(points(follower).len(), 6);
    // Truncated and written, longer than before: same inode, and nothing of the old points is left.
    let mut new = Vec::new();
    let mut writer = EventWriter::new(&mut new, Path::new("memory"), 7.0).unwrap();
    for step in 10..16 {
        writer.scalar("loss", step, 0.25, 8.0).unwrap();
    }
    writer.finish().unwrap();
    assert!(new.len() > old.len());
    fs::write(&path, &new).unwrap();
    let poll = follower.poll();
    assert!(poll.problems.is_empty(), "{:?}", poll.problems);
    let cuts: Vec<_> = poll.cuts.iter().map(|cut| (cut.tag.as_str(), cut.from)).collect();
    assert_eq!(cuts, [("loss", i64::MIN), ("other", i64::MIN)]);
    let steps: Vec<_> = poll.scalars.iter().map(|point| (point.tag.as_str(), point.step)).collect();
    assert_eq!(steps[..2], [("other", 0), ("other", 1)]);
    assert_eq!(steps[2..], [10, 11, 12, 13, 14, 15].map(|step| ("loss", step)));
}

#[test]
fn a_file_that_comes_to_lie_before_another_is_read_in_its_place() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    fs::write(dir.join("2.tfevents"), bytes("loss", 5..8)).unwrap();
    assert_eq!(points(follower).len(), 3);
    fs::write(dir.join("1.tfevents"), bytes("loss", 0..6)).unwrap();
    let poll = follower.poll();
    assert_eq!(poll.cuts, [Cut { tag: "loss".to_owned(), from: i64::MIN }]);
    assert_eq!(poll.scalars, read_run(dir).scalars);
    assert_eq!(poll.scalars.iter().map(|point| point.step).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
}

#[test]
fn an_event_without_a_time_is_told_and_hides_nothing() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let mut file = bytes("loss", 0..1);
    let rest = bytes("loss", 2..3);
    let summary = tfevents::message::SummaryValue {
        tag: "loss".to_owned(),
        data: Some(tfevents::message::Data::SimpleValue(0.5)),
        metadata: None,
    };
    tfevents::append_for_tests(&mut file, 1, f64::NAN, summary);
    file.extend(rest);
    fs::write(dir.join("x.tfevents"), file).unwrap();
    let poll = follower.poll();
    assert_eq!(poll.scalars.iter().map(|point| point.step).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(poll.scalars[1].wall_time.is_nan());
    let [problem] = &poll.problems[..] else { panic!("{:?}", poll.problems) };
    assert!(problem.to_string().ends_with("is NaN, where TensorBoard stops reading the file"), "{problem}");
    assert!(!problem.loses_points() && points(follower).is_empty());
}

#[test]
fn what_is_unreadable_is_told_once_and_read_when_it_can_be() {
    let temporary = tempfile::tempdir().unwrap();
    // A name beyond every file system's limit fails for every user, root too.
    let unreadable = temporary.path().join("x".repeat(300));
    let mut follower = RunFollower::new(&unreadable);
    let problems = follower.poll().problems;
    assert!(matches!(&problems[..], [FollowProblem::Unreadable { path, .. }] if *path == unreadable));
    assert!(points(&mut follower).is_empty());

    let source = Source { directory: 0, file: 0 };
    let mut file = EventFile::new("train", source, &unreadable);
    let mut poll = |path: &Path| {
        let (mut curves, mut problems) = (Curves::default(), Vec::new());
        if file.look(path, &mut problems) == Look::Grown {
            file.read(path, &mut ScalarTags::default(), &mut curves, &mut problems);
        }
        (curves.take().1.len(), problems.len())
    };
    assert_eq!(poll(&unreadable), (0, 1));
    assert_eq!(poll(&unreadable), (0, 0));
    let path = temporary.path().join("x.tfevents");
    fs::write(&path, bytes("loss", 0..1)).unwrap();
    assert_eq!(poll(&path), (1, 0));
    assert_eq!(poll(&unreadable), (0, 1));
}

#[test]
fn a_file_made_in_the_tick_of_the_last_listing_is_found() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let modified = fs::metadata(&*dir).unwrap().modified().unwrap();
    assert!(points(follower).is_empty());
    fs::write(dir.join("x.tfevents"), bytes("loss", 0..1)).unwrap();
    // As a file system with coarse stamps would show it.
    fs::File::open(&*dir).unwrap().set_modified(modified).unwrap();
    assert_eq!(points(follower), expected([("loss", 0)]));
}

#[test]
fn a_settled_directory_is_not_read_again() {
    let Run { dir, follower, .. } = &mut run();
    fs::create_dir(&*dir).unwrap();
    let long_ago = SystemTime::now() - std::time::Duration::from_secs(60);
    let directory = fs::File::open(&*dir).unwrap();
    directory.set_modified(long_ago).unwrap();
    assert!(points(follower).is_empty());
    fs::write(dir.join("x.tfevents"), bytes("loss", 0..1)).unwrap();
    directory.set_modified(long_ago).unwrap();
    assert!(points(follower).is_empty(), "the stamp says that nothing changed");
    directory.set_modified(SystemTime::now()).unwrap();
    assert_eq!(points(follower), expected([("loss", 0)]));
}

proptest::proptest! {
    /// However a file grows, each point arrives once and in order.
    #[test]
    fn growth_in_any_pieces_gives_every_point_once(
        cuts in proptest::collection::vec(proptest::prelude::any::<proptest::sample::Index>(), 0..12),
    ) {
        let Run { dir, mut follower, _temporary } = run();
        fs::create_dir(&dir).unwrap();
        let whole = bytes("loss", 0..20);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let mut found = Vec::new();
        for cut in cuts.windows(2) {
            append(&dir.join("x.tfevents"), &whole[cut[0]..cut[1]]);
            found.extend(points(&mut follower).into_iter().map(|(_, step)| step));
        }
        proptest::prop_assert_eq!(found, (0..20).collect::<Vec<_>>());
    }
}
