//! `worker.log` within `schedule.log_limit`: the first half of it and the last quarter are kept.
//!
//! The trainer writes to the file itself, so that nobody stands between it and its log; the supervisor looks
//! at the length now and then and at the end. What a file has too much is taken out of its middle by copying
//! the end forward and shortening the file, which every file system can. What the trainer writes between the
//! two, in microseconds, is lost.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    time::Duration,
};

/// How often the length is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The same where the log has grown by a quarter of its limit since the last time.
const LOOK_AT_FAST: Duration = Duration::from_millis(50);
/// So far a cut is moved to be between lines, bytes.
const LONGEST_LINE: u64 = 64 << 10;
/// Copied at once, bytes.
const CHUNK: usize = 256 << 10;

/// Keeps one log short.
#[derive(Debug)]
pub(super) struct LogLimit {
    /// Bytes.
    limit: u64,
    /// Where the part that is kept ends; known after the first cut.
    head: Option<u64>,
    /// Bytes of the trainer's that were taken out.
    left_out: u64,
    /// Length of the line that says so.
    mark: u64,
    /// By so many bytes it is shorter than what was written.
    shift: u64,
    /// At the last look.
    length: u64,
}

impl LogLimit {
    pub(super) fn new(limit: u64, length: u64) -> Self {
        Self { limit, head: None, left_out: 0, mark: 0, shift: 0, length }
    }

    /// By how many bytes the end of the log has moved to the front.
    pub(super) fn shift(&self) -> u64 {
        self.shift
    }

    /// Looks at the length, cuts the log if it is too long, and answers when to look again.
    pub(super) fn look(&mut self, log: &File) -> Duration {
        // A log that cannot be cut now, on a full disk for instance, is looked at again, and takes nothing
        // from the run.
        let length = log.metadata().map_or(0, |metadata| metadata.len());
        let grown = length.saturating_sub(self.length);
        self.length = length;
        if length > self.limit && self.cut(log).is_ok() {
            self.length = log.metadata().map_or(0, |metadata| metadata.len());
        }
        if grown > self.limit / 4 { LOOK_AT_FAST } else { LOOK }
    }

    fn cut(&mut self, appended: &File) -> io::Result<()> {
        // Another open file: this one only appends. By its descriptor, since the file may have no name any
        // more.
        let path = format!("/proc/self/fd/{}", appended.as_raw_fd());
        let log = File::options().read(true).write(true).open(path)?;
        let head = match self.head {
            Some(head) => head,
            None => last_line_end(&log, self.limit / 2)?,
        };
        let length = log.metadata()?.len();
        let tail = next_line(&log, length.saturating_sub(self.limit / 4), length)?.max(head);
        let limit = self.limit;
        let left_out = self.left_out + (tail - head).saturating_sub(self.mark);
        let mark = format!(
            "--- gridboard: {left_out} bytes are left out here, `schedule.log_limit` is {limit} bytes\n"
        );
        let mut to = head + mark.len() as u64;
        if tail <= to {
            // The limit is too low for a mark.
            return Ok(());
        }
        log.write_all_at(mark.as_bytes(), head)?;
        let mut from = tail;
        let mut chunk = vec![0; CHUNK];
        // To the end as it is by then.
        loop {
            let read = log.read_at(&mut chunk, from)?;
            if read == 0 {
                break;
            }
            log.write_all_at(&chunk[..read], to)?;
            from += read as u64;
            to += read as u64;
        }
        log.set_len(to)?;
        (self.head, self.left_out, self.mark) = (Some(head), left_out, mark.len() as u64);
        self.shift += from - to;
        Ok(())
    }
}

/// Where the last line before `end` ends; `end` if that is far.
fn last_line_end(log: &File, end: u64) -> io::Result<u64> {
    let start = end.saturating_sub(LONGEST_LINE);
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
    log.read_exact_at(&mut bytes, start)?;
    let at = bytes.iter().rposition(|byte| *byte == b'\n');
    Ok(at.map_or(end, |at| start + at as u64 + 1))
}

/// Where the next line after `start` begins; `start` if that is far.
fn next_line(log: &File, start: u64, length: u64) -> io::Result<u64> {
    let mut bytes = vec![0; usize::try_from(LONGEST_LINE.min(length - start)).unwrap_or(0)];
    log.read_exact_at(&mut bytes, start)?;
    let at = bytes.iter().position(|byte| *byte == b'\n');
    Ok(at.map_or(start, |at| start + at as u64 + 1))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    const LIMIT: u64 = 1 << 20;

    /// A log of `lines` numbered lines that is looked at after each `step`.
    fn cut(lines: std::ops::Range<usize>, step: usize) -> (LogLimit, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = File::options().read(true).append(true).create(true).open(&path).unwrap();
        let mut limit = LogLimit::new(LIMIT, 0);
        for line in lines {
            writeln!(log, "line {line}").unwrap();
            if line % step == 0 {
                limit.look(&log);
            }
        }
        limit.look(&log);
        (limit, fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn head_and_tail_are_kept_with_the_number_of_bytes_between() {
        for step in [1_000_000, 10_000] {
            let all: String = (0..500_000).map(|line| format!("line {line}\n")).collect();
            let (limit, text) = cut(0..500_000, step);
            assert!(text.len() as u64 <= LIMIT && text.len() as u64 > LIMIT / 2, "{}", text.len());
            let (head, rest) = text.split_once("--- gridboard: ").unwrap();
            let (mark, tail) = rest.split_once('\n').unwrap();
            assert!(all.starts_with(head) && head.ends_with('\n') && head.len() as u64 > LIMIT * 49 / 100);
            assert!(all.ends_with(tail) && tail.starts_with("line ") && tail.len() as u64 > LIMIT / 5);
            assert_eq!(tail.matches("gridboard").count(), 0, "one mark");
            let left_out: usize = mark.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(head.len() + left_out + tail.len(), all.len());
            assert!(mark.ends_with("`schedule.log_limit` is 1048576 bytes"), "{mark}");
            assert_eq!(all.len() as u64 - limit.shift(), text.len() as u64);
        }
    }

    #[test]
    fn a_log_within_the_limit_is_left_alone() {
        let (limit, text) = cut(0..1000, 1);
        assert_eq!((limit.shift(), text.lines().count()), (0, 1000));
    }

    #[test]
    fn a_log_without_lines_is_cut_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = File::options().read(true).append(true).create(true).open(&path).unwrap();
        log.write_all(&vec![b'.'; 5 << 20]).unwrap();
        assert_eq!(LogLimit::new(LIMIT, 0).look(&log), LOOK_AT_FAST);
        log.write_all(b"end").unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() as u64 <= LIMIT && bytes.ends_with(b".end") && bytes.starts_with(b"..."));
    }
}
