//! What lies beside the HParams records in a run's session: its network, pictures of wrong answers, what was measured of the
//! machine, the band of its grid point.
//!
//! `copy_session` brings it to another folder, for the views that `gridboard tensorboard` makes of several experiments or of the
//! best runs: their rows and columns are their own, so the session's file cannot be linked as the curves are;
//! `copy_without_records` does the same with files of programs. `set_in_session` replaces curves, for the sweep's own page.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use prost::Message;

use super::{
    files::{append_records, session_file},
    read::records_of,
};
use crate::{
    base::files::{Durability, FileError, write_whole},
    tags::RANK,
    tfevents::{
        RecordReader, WriteError,
        message::{Data, Event, Summary, SummaryValue, What},
        record,
    },
};

/// A step of several curves: its number, its wall time in seconds since 1970, and a value for each tag.
pub type StepOfCurves = (i64, f64, Vec<(String, f32)>);

/// Makes `steps` the curves whose tags begin with `prefix` in the session of the attempt that started at `start`. Where they
/// are others already, the file is written anew: TensorBoard's loader in Python would show both. Answers whether there is such a
/// file.
///
/// # Errors
/// [`WriteError`] naming the file, which is then as it was.
pub fn set_in_session(
    dir: &Path,
    start: f64,
    prefix: &str,
    steps: &[StepOfCurves],
) -> Result<bool, WriteError> {
    let path = session_file(dir, start);
    let present = match fs::read(&path) {
        Ok(present) => present,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(WriteError::Write { path, source }),
    };
    let mut new = Vec::new();
    for (step, wall_time, values) in steps {
        let value = |(tag, value): &(String, f32)| SummaryValue {
            tag: tag.clone(),
            data: Some(Data::SimpleValue(*value)),
            metadata: None,
        };
        let what = Some(What::Summary(Summary { value: values.iter().map(value).collect() }));
        record::append(&mut new, &Event { wall_time: *wall_time, step: *step, what });
    }
    let (mut others, mut old) = (Vec::new(), Vec::new());
    let mut reader = RecordReader::new(&present[..], 0);
    let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let mut before = 0;
    while let Ok(Some(record)) = reader.next_record() {
        let is_old = Event::decode(record).is_ok_and(|event| all_tags(&event, |tag| tag.starts_with(prefix)));
        let end = place(reader.offset());
        if is_old { &mut old } else { &mut others }.extend_from_slice(&present[before..end]);
        before = end;
    }
    if old == new {
        return Ok(true);
    }
    if old.is_empty() {
        return append_records(dir, start, &new);
    }
    write_whole(&path, &[&others, &new], Durability::Written)
        .map(|()| true)
        .map_err(|FileError { path, source, .. }| WriteError::Write { path, source })
}

/// Copies what the event file `from` has got since byte `offset` to the end of `to`, but for HParams records, each record as it
/// is. Where the file has become shorter, all of it is copied anew. Returns where the next call goes on.
///
/// # Errors
/// [`WriteError`] naming the file.
pub fn copy_without_records(from: &Path, to: &Path, offset: u64) -> Result<u64, WriteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteError::Write { path, source }
    };
    let mut file = File::open(from).map_err(failed(from))?;
    let is_shorter = file.metadata().map_err(failed(from))?.len() < offset;
    let offset = if is_shorter { 0 } else { offset };
    file.seek(SeekFrom::Start(offset)).map_err(failed(from))?;
    let mut reader = RecordReader::new(file, offset);
    let (mut copied, mut end) = (Vec::new(), offset);
    while let Ok(Some(payload)) = reader.next_record() {
        if records_of(payload).is_empty() {
            record::append_payload(&mut copied, payload);
        }
        end = reader.offset();
    }
    let mut options = OpenOptions::new();
    let options = if offset == 0 { options.write(true).truncate(true) } else { options.append(true) };
    let written = options.create(true).open(to).and_then(|mut file| file.write_all(&copied));
    written.map(|()| end).map_err(failed(to))
}

/// Whether an event has values, all under such tags.
fn all_tags(event: &Event, is_one: impl Fn(&str) -> bool) -> bool {
    matches!(&event.what, Some(What::Summary(summary))
        if !summary.value.is_empty() && summary.value.iter().all(|value| is_one(&value.tag)))
}

/// Copies what the session of `from` has got since byte `offset` into that of `to`, which is there already, but for what HParams
/// and the rank are. Both are of the attempt that started at `start`. Returns where the next call goes on.
///
/// What does not read as records is left out.
///
/// # Errors
/// [`WriteError`] naming the file, which is then as it was.
pub fn copy_session(from: &Path, to: &Path, start: f64, offset: u64) -> Result<u64, WriteError> {
    let path = session_file(from, start);
    let opened = File::open(&path).and_then(|mut file| file.seek(SeekFrom::Start(offset)).map(|_| file));
    let file = match opened {
        Ok(file) => file,
        // A run of an earlier version, or an imported one, has another or none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(offset),
        Err(source) => return Err(WriteError::Write { path, source }),
    };
    let mut reader = RecordReader::new(file, offset);
    let (mut copied, mut end) = (Vec::new(), offset);
    while let Ok(Some(record)) = reader.next_record() {
        if let Ok(event) = Event::decode(record)
            && is_the_runs(&event)
        {
            record::append(&mut copied, &event);
        }
        end = reader.offset();
    }
    if copied.is_empty() || append_records(to, start, &copied)? { Ok(end) } else { Ok(offset) }
}

fn is_the_runs(event: &Event) -> bool {
    matches!(&event.what, Some(What::GraphDef(_)))
        || all_tags(event, |tag| tag != RANK && !tag.starts_with("_hparams_/"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        spec::Value,
        tfevents::{
            GraphNode,
            hparams::{
                Status, append_graph_to_session, append_image_to_session, append_to_session, write_session,
            },
        },
    };

    /// The tags in a session, `graph` for a network.
    fn tags(dir: &Path) -> Vec<String> {
        let mut reader = RecordReader::new(File::open(session_file(dir, 7.25)).unwrap(), 0);
        let mut tags = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            match Event::decode(record).unwrap().what {
                Some(What::Summary(summary)) => tags.extend(summary.value.into_iter().map(|value| value.tag)),
                Some(What::GraphDef(_)) => tags.push("graph".to_owned()),
                _ => {}
            }
        }
        tags
    }

    #[test]
    fn curves_are_replaced_and_all_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        let step = |number: i64, value: f32| (number, 8.0, vec![("seeds/loss/mean".to_owned(), value)]);
        assert!(!set_in_session(run, 7.25, "seeds/", &[step(0, 1.0)]).unwrap(), "there is none yet");
        write_session(run, &[("x".to_owned(), Value::Int(1))], "", 7.25, None).unwrap();
        assert!(set_in_session(run, 7.25, "seeds/", &[step(0, 1.0), step(1, 2.0)]).unwrap());
        append_to_session(run, 7.25, (2, 9.25), &[(RANK, 4.0)]).unwrap();
        let path = session_file(run, 7.25);
        let before = fs::read(&path).unwrap();
        set_in_session(run, 7.25, "seeds/", &[step(0, 1.0), step(1, 2.0)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), before, "the same curve is left alone");
        set_in_session(run, 7.25, "seeds/", &[step(0, 3.0)]).unwrap();
        let start = "_hparams_/session_start_info";
        assert_eq!(tags(run), [start, RANK, "seeds/loss/mean"]);
        assert!(crate::tfevents::hparams::is_session(&path));
    }

    #[test]
    fn what_a_run_has_beside_its_row_is_copied_once_and_as_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        let (run, view) = (dir.path().join("run"), dir.path().join("view"));
        let axis = |value| [("x".to_owned(), Value::Int(value))];
        write_session(&run, &axis(1), "row", 7.25, None).unwrap();
        write_session(&view, &axis(2), "another", 7.25, None).unwrap();
        let (name, op) = ("conv".to_owned(), "Conv2D".to_owned());
        let node = GraphNode { name, op, inputs: Vec::new(), attributes: Vec::new() };
        append_graph_to_session(&run, 7.25, &[node]).unwrap();
        append_to_session(&run, 7.25, (2, 9.25), &[("system/memory_mib", 3.0)]).unwrap();
        append_to_session(&run, 7.25, (2, 9.25), &[(RANK, 4.0)]).unwrap();
        let offset = copy_session(&run, &view, 7.25, 0).unwrap();
        let start = "_hparams_/session_start_info";
        assert_eq!(tags(&view), [start, "graph", "system/memory_mib"]);
        assert_eq!(copy_session(&run, &view, 7.25, offset).unwrap(), offset);

        write_session(&run, &axis(1), "row", 7.25, Some((Status::Success, 20.0))).unwrap();
        append_image_to_session(&run, 7.25, (1, 21.0), "misclassified", (vec![1], 1, 1)).unwrap();
        // Half a record: it is copied once the rest is there.
        let whole = fs::read(session_file(&run, 7.25)).unwrap();
        fs::write(session_file(&run, 7.25), &whole[..whole.len() - 1]).unwrap();
        let offset = copy_session(&run, &view, 7.25, offset).unwrap();
        assert_eq!(tags(&view).len(), 3);
        fs::write(session_file(&run, 7.25), &whole).unwrap();
        copy_session(&run, &view, 7.25, offset).unwrap();
        assert_eq!(tags(&view), [start, "graph", "system/memory_mib", "misclassified"]);
        // Its row stays its own.
        write_session(&view, &axis(2), "another", 7.25, Some((Status::Success, 20.0))).unwrap();
        assert_eq!(tags(&view).last().unwrap(), "_hparams_/session_end_info");
        assert_eq!(tags(&view).len(), 5);
        // A run without such a file has nothing to copy.
        assert_eq!(copy_session(&run, &view, 8.0, 0).unwrap(), 0);
    }
}
