//! The files that hold HParams records alone: one for an experiment, one for each run.
//!
//! Used by the sweep. Every file's bytes follow from the arguments, times included. So what is on disk already can be
//! compared with what should be there: equal bytes are left alone, a file that lacks only its end is extended, and
//! anything else is replaced whole. Extending matters: a running TensorBoard keeps the file open, and would not look at one
//! that takes its place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use prost::Message;

use super::{HParamInfo, MetricInfo, Status, experiment, session_end, session_start};
use crate::{
    base::files::{Durability, FileError, write_whole},
    run::RunDir,
    spec::Value,
    tags::{MISCLASSIFIED, RANK, SEEDS_FOLDER, SYSTEM_FOLDER},
    tfevents::{
        GraphNode, RecordReader, WriteError, graph,
        message::{Data, Event, Image, Summary, SummaryValue, What},
        record,
        writer::{EventWriter, file_name},
    },
};

/// Last part of the name of an experiment record's file.
const EXPERIMENT: &str = "experiment";

/// Writes the experiment record into `dir`, the logdir, in place of an earlier one of Gridboard's.
///
/// Made again with the same arguments, it is left as it is; so pass the experiment's creation as `time`, in seconds since
/// 1970. Returns the file.
///
/// # Errors
/// [`WriteError`] naming the directory or file.
pub fn write_experiment_record(
    dir: &Path,
    infos: &[HParamInfo],
    metrics: &[MetricInfo],
    name: &str,
    description: &str,
    time: f64,
) -> Result<PathBuf, WriteError> {
    let path = dir.join(file_name(time, EXPERIMENT));
    let records = [(time, experiment(infos, metrics, name, description, time))];
    let bytes = encode(&path, time, records.into())?;
    replace(dir, &path, EXPERIMENT, &bytes)?;
    Ok(path)
}

/// Writes a run's session into `dir`, the run directory, in place of the session of an earlier attempt.
///
/// Called at an attempt's start without `end`, and with it, and otherwise the same arguments, when the run has reached a
/// terminal state. What [`append_to_session`] has put into the file stays. Times are in seconds since 1970. Returns the file.
///
/// Not synced: after a power cut a session may be missing, which TensorBoard shows as an unknown status, and writing it
/// again repairs it.
///
/// # Errors
/// [`WriteError`] naming the directory or file.
pub fn write_session(
    dir: &Path,
    hparams: &[(String, Value)],
    group_name: &str,
    start: f64,
    end: Option<(Status, f64)>,
) -> Result<PathBuf, WriteError> {
    let path = session_file(dir, start);
    let mut bytes = encode(&path, start, vec![(start, session_start(hparams, group_name, start))])?;
    let closing = match end {
        Some((status, time)) => {
            without_version(encode(&path, time, vec![(time, session_end(status, time))])?)
        }
        None => Vec::new(),
    };
    let present = fs::read(&path).unwrap_or_default();
    let added = added_records(&present);
    let has_closing = !closing.is_empty() && contains(added, &closing);
    // Another end than this one takes no place beside it: TensorBoard keeps the first.
    if has_closing || !contains(added, END) {
        bytes.extend_from_slice(added);
    }
    if !has_closing {
        bytes.extend_from_slice(&closing);
    }
    replace(dir, &path, RunDir::SESSION, &bytes)?;
    Ok(path)
}

/// Adds scalars to the session of the attempt that started at `start`, in one write. Answers whether there is such a file: a
/// program may have cleared its folder.
///
/// TensorBoard's loader in Python reads on only in the newest file of a directory: what is Gridboard's own of a run is in one.
///
/// # Errors
/// [`WriteError`] naming the file, which is then as it was.
pub fn append_to_session(
    dir: &Path,
    start: f64,
    (step, wall_time): (i64, f64),
    scalars: &[(&str, f32)],
) -> Result<bool, WriteError> {
    let value = |(tag, value): &(&str, f32)| SummaryValue {
        tag: (*tag).to_owned(),
        data: Some(Data::SimpleValue(*value)),
        metadata: None,
    };
    let summary = Summary { value: scalars.iter().map(value).collect() };
    append_event(dir, start, &Event { wall_time, step, what: Some(What::Summary(summary)) })
}

/// Adds a picture to a session, as [`append_to_session`] adds scalars: a whole PNG file and its size in pixels.
///
/// # Errors
/// As [`append_to_session`].
pub fn append_image_to_session(
    dir: &Path,
    start: f64,
    (step, wall_time): (i64, f64),
    tag: &str,
    (encoded, width, height): (Vec<u8>, u32, u32),
) -> Result<bool, WriteError> {
    let image = Image { height, width, colorspace: Image::RGB, encoded };
    let value = SummaryValue { tag: tag.to_owned(), data: Some(Data::Image(image)), metadata: None };
    append_event(dir, start, &Event { wall_time, step, what: Some(What::Summary(value.into())) })
}

/// Whether the session of the attempt that started at `start` has values of a tag already.
#[must_use]
pub fn session_has(dir: &Path, start: f64, tag: &str) -> bool {
    fs::read(session_file(dir, start)).is_ok_and(|bytes| contains(&bytes, tag.as_bytes()))
}

/// Adds a network to a session, as [`append_to_session`] adds scalars.
///
/// # Errors
/// As [`append_to_session`].
pub fn append_graph_to_session(dir: &Path, start: f64, nodes: &[GraphNode]) -> Result<bool, WriteError> {
    let what = Some(What::GraphDef(graph::encode(nodes)));
    append_event(dir, start, &Event { wall_time: start, step: 0, what })
}

fn append_event(dir: &Path, start: f64, event: &Event) -> Result<bool, WriteError> {
    let mut bytes = Vec::new();
    record::append(&mut bytes, event);
    append_records(dir, start, &bytes)
}

/// Adds encoded records to a session, in one write; answers as [`append_to_session`].
pub(super) fn append_records(dir: &Path, start: f64, bytes: &[u8]) -> Result<bool, WriteError> {
    let path = session_file(dir, start);
    let mut file = match OpenOptions::new().append(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(WriteError::Write { path, source }),
    };
    let before = file.metadata().map(|metadata| metadata.len());
    let written = before.and_then(|before| {
        file.write_all(bytes).inspect_err(|_| {
            // Half a record would hide all that comes behind it.
            let _ = file.set_len(before);
        })
    });
    written.map(|()| true).map_err(|source| WriteError::Write { path, source })
}

/// With the millionths of the second: a run may be tried again within one, and TensorBoard looks on in a file of another name
/// behind it, not in one that has taken its place.
pub(super) fn session_file(dir: &Path, start: f64) -> PathBuf {
    let suffix = format!("{:06.0}.{}", (start.max(0.0).fract() * 1e6).floor(), RunDir::SESSION);
    dir.join(file_name(start, &suffix))
}

/// The tag of a session's end.
const END: &[u8] = b"_hparams_/session_end_info";

/// The whole records behind a session's start.
fn added_records(file: &[u8]) -> &[u8] {
    let mut reader = RecordReader::new(file, 0);
    let mut next = || matches!(reader.next_record(), Ok(Some(_)));
    let is_session = next() && next();
    let first = reader.offset();
    while let Ok(Some(_)) = reader.next_record() {}
    let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    file.get(place(first)..place(reader.offset())).filter(|_| is_session).unwrap_or_default()
}

fn contains(bytes: &[u8], record: &[u8]) -> bool {
    bytes.windows(record.len()).any(|window| window == record)
}

/// An event file without the record that opens it.
fn without_version(bytes: Vec<u8>) -> Vec<u8> {
    let mut reader = RecordReader::new(&bytes[..], 0);
    match reader.next_record() {
        Ok(Some(_)) => {
            let first = usize::try_from(reader.offset()).unwrap_or(0);
            bytes[first..].to_vec()
        }
        _ => bytes,
    }
}

/// A whole event file.
fn encode(path: &Path, time: f64, records: Vec<(f64, Summary)>) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, path, time)?;
    for (wall_time, summary) in records {
        writer.raw(0, wall_time, summary)?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// Brings `path` to hold `bytes`, and removes the other files of its kind in `dir`.
fn replace(dir: &Path, path: &Path, kind: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let create = |source| WriteError::Create { path: dir.to_owned(), source };
    let write = |source| WriteError::Write { path: path.to_owned(), source };
    fs::create_dir_all(dir).map_err(create)?;
    let present = match fs::read(path) {
        Ok(present) => present,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(write(error)),
    };
    match bytes.strip_prefix(&present[..]) {
        Some([]) => {}
        Some(rest) if !present.is_empty() => {
            // One write: a reader sees the record whole, or a torn tail that the next call completes.
            OpenOptions::new()
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(rest))
                .map_err(write)?;
        }
        _ => {
            // Neither TensorBoard nor the follower takes the temporary file for an event file.
            write_whole(path, &[bytes], Durability::Written)
                .map_err(|FileError { path, source, .. }| WriteError::Write { path, source })?;
        }
    }
    remove_others(dir, path, kind)
}

/// Removes the experiment records of their own files, which earlier versions have written.
///
/// # Errors
/// [`WriteError`] naming the file.
pub fn remove_experiment_records(dir: &Path) -> Result<(), WriteError> {
    remove_others(dir, Path::new(""), EXPERIMENT)
}

/// Removes the files of this kind that were made at another time or on another machine. A trainer's own file that has the
/// suffix is none: ours hold nothing but the records of their kind.
fn remove_others(dir: &Path, path: &Path, kind: &str) -> Result<(), WriteError> {
    let failed = |path: &Path, source| WriteError::Write { path: path.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(|source| failed(dir, source))? {
        let entry = entry.map_err(|source| failed(dir, source))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let named = name.starts_with("events.out.tfevents.")
            && name.rsplit_once('.').is_some_and(|(_, last)| last == kind);
        if named && entry.path() != path && is_ours(&entry.path(), kind) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&entry.path(), error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a file is one that [`write_session`] has written.
#[must_use]
pub fn is_session(path: &Path) -> bool {
    path.extension().is_some_and(|last| last == RunDir::SESSION) && is_ours(path, RunDir::SESSION)
}

/// How many records of a file are looked at for one of HParams.
pub(super) const FIRST_RECORDS: usize = 8;

/// Whether an event file holds records of this kind and nothing else. One that cannot be read is left alone.
fn is_ours(path: &Path, kind: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut reader = RecordReader::new(file, 0);
    let mut records = 0;
    // A session goes on with as many points as its run took minutes.
    for _ in 0..FIRST_RECORDS {
        let Ok(Some(record)) = reader.next_record() else { break };
        let tags: Vec<String> = match Event::decode(record).map(|event| event.what) {
            Ok(Some(What::FileVersion(_))) => continue,
            Ok(Some(What::GraphDef(_))) if kind == RunDir::SESSION => continue,
            Ok(Some(What::Summary(summary))) => summary.value.into_iter().map(|value| value.tag).collect(),
            _ => return false,
        };
        let of_kind = |tag: &String| match tag.strip_prefix("_hparams_/") {
            Some(record) => record.starts_with(kind),
            None => {
                let is_own = [RANK, MISCLASSIFIED].contains(&tag.as_str())
                    || [SYSTEM_FOLDER, SEEDS_FOLDER].iter().any(|folder| tag.starts_with(folder));
                kind == RunDir::SESSION && is_own
            }
        };
        if tags.is_empty() || !tags.iter().all(of_kind) {
            return false;
        }
        records += 1;
    }
    records > 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn records(path: &Path) -> usize {
        let bytes = fs::read(path).unwrap();
        let mut reader = RecordReader::new(&bytes[..], 0);
        let mut count = 0;
        while reader.next_record().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(reader.offset(), bytes.len() as u64);
        count
    }

    fn hparams() -> Vec<(String, Value)> {
        vec![("layer_size".to_owned(), Value::Int(32)), ("adam".to_owned(), Value::Bool(true))]
    }

    #[test]
    fn a_session_is_extended_by_its_end_and_replaced_by_the_next_attempt() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let first = write_session(&run, &hparams(), "", 100.5, None).unwrap();
        assert!(first.file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents.0000000100."));
        assert_eq!(records(&first), 2);
        let inode = fs::metadata(&first).unwrap().ino();
        write_session(&run, &hparams(), "", 100.5, None).unwrap();
        let ended = write_session(&run, &hparams(), "", 100.5, Some((Status::Failure, 101.0))).unwrap();
        assert_eq!((&ended, records(&ended)), (&first, 3));
        assert_eq!(fs::metadata(&first).unwrap().ino(), inode, "the file a live TensorBoard has open grows");

        let second = write_session(&run, &hparams(), "", 200.0, None).unwrap();
        assert_eq!(records(&second), 2);
        assert_eq!(names(&run), [second.file_name().unwrap().to_str().unwrap()]);
    }

    #[test]
    fn an_attempt_within_the_same_second_has_a_file_behind_the_one_it_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let end = Some((Status::Failure, 100.3));
        let first = write_session(dir.path(), &hparams(), "", 100.1, end).unwrap();
        let second = write_session(dir.path(), &hparams(), "", 100.6, None).unwrap();
        assert!(first.file_name() < second.file_name() && records(&second) == 2);
        assert_eq!(names(dir.path()).len(), 1);
    }

    #[test]
    fn a_torn_session_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let end = Some((Status::Success, 2.0));
        let path = write_session(dir.path(), &hparams(), "", 1.0, end).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in [0, 1, 30, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            write_session(dir.path(), &hparams(), "", 1.0, end).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_experiment_record_is_written_once_and_leaves_other_files_alone() {
        let dir = tempfile::tempdir().unwrap();
        let session = write_session(dir.path(), &[], "", 1.0, None).unwrap();
        let text = EventWriter::create_at(dir.path(), 1.0).unwrap().path().to_owned();
        let infos = [HParamInfo::new("layer_size", &[Value::Int(32), Value::Int(64)])];
        let write = |infos: &[HParamInfo], time| {
            write_experiment_record(dir.path(), infos, &[], "tab3", "", time).unwrap()
        };
        let record = write(&infos, 7.0);
        let inode = fs::metadata(&record).unwrap().ino();
        assert_eq!(write(&infos, 7.0), record);
        assert_eq!(fs::metadata(&record).unwrap().ino(), inode);
        write(&[], 7.0);
        let moved = write(&infos, 8.0);
        assert!(!record.exists());
        assert_eq!(records(&moved), 2);
        assert!(session.exists() && text.exists());
        assert_eq!(names(dir.path()).len(), 3);
    }

    #[test]
    fn a_trainers_own_file_with_the_suffix_stays() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("events.out.tfevents.0000000001.host.7.0.session");
        let mut bytes = Vec::new();
        let mut writer = EventWriter::new(&mut bytes, &own, 1.0).unwrap();
        // Even one that has a session of its own beside its curves, and one that holds nothing yet.
        writer.raw(0, 1.0, session_start(&hparams(), "", 1.0)).unwrap();
        writer.scalar("loss", 0, 0.5, 1.0).unwrap();
        writer.finish().unwrap();
        fs::write(&own, bytes).unwrap();
        let empty = own.with_file_name("events.out.tfevents.0000000002.host.session");
        fs::write(&empty, "").unwrap();
        let first = write_session(dir.path(), &hparams(), "", 100.0, None).unwrap();
        write_session(dir.path(), &hparams(), "", 200.0, None).unwrap();
        assert!(own.exists() && empty.exists() && !first.exists());
    }

    #[test]
    fn an_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_session(&file.join("run"), &[], "", 1.0, None).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
}
