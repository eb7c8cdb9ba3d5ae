//! Record framing: length and checksum, payload and checksum, one after the other.
//!
//! `u64 length | u32 masked CRC of the 8 length bytes | payload | u32 masked CRC of the payload`, all little-endian, as
//! in TensorFlow's `core/lib/io/record_writer.cc`. Used by the writer and the reader; what a payload means is theirs.

use std::{
    fmt,
    io::{self, Read},
};

use prost::Message;
use thiserror::Error;

/// Bytes before a payload: length and its checksum.
const HEADER: usize = 12;
/// Bytes after a payload: its checksum.
const FOOTER: usize = 4;
/// No event is longer. A length beyond it is garbage, even where its checksum agrees.
const MAX_PAYLOAD: u64 = 1 << 30;
/// How much is asked of the input at once.
const CHUNK: usize = 64 << 10;

/// Why a stream cannot be read any further.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The input failed. Reading may be tried again.
    #[error("cannot read")]
    Io(#[source] io::Error),
    /// The bytes are not those of an event file. Nothing after them can be found: there is no way to the next record.
    #[error("corrupt at byte {offset}: {corruption}")]
    Corrupt {
        /// Where the bad record starts.
        offset: u64,
        /// What is wrong with it.
        corruption: Corruption,
    },
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// The checksum of the length does not agree.
    LengthChecksum,
    /// The length is beyond any event's.
    TooLong(u64),
    /// The checksum of the payload does not agree.
    PayloadChecksum,
    /// The payload is not an event message.
    NotAnEvent,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthChecksum => f.write_str("the checksum of the record's length does not agree"),
            Self::TooLong(length) => write!(f, "a record of {length} bytes is longer than any event"),
            Self::PayloadChecksum => f.write_str("the checksum of the record does not agree"),
            Self::NotAnEvent => f.write_str("the record is not an event message"),
        }
    }
}

/// The checksum of the format: CRC-32C, rotated and offset so that a checksum over data that holds checksums stays
/// strong (`core/lib/hash/crc32c.h`).
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Appends `message` as one record.
pub(super) fn append(buffer: &mut Vec<u8>, message: &impl Message) {
    framed(buffer, |buffer| message.encode(buffer).expect("a Vec grows to what a message needs"));
}

/// Appends an encoded message as one record.
pub(super) fn append_payload(buffer: &mut Vec<u8>, payload: &[u8]) {
    framed(buffer, |buffer| buffer.extend_from_slice(payload));
}

fn framed(buffer: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    append(buffer);
    let payload = &buffer[start + HEADER..];
    let length = (payload.len() as u64).to_le_bytes();
    let footer = masked_crc(payload).to_le_bytes();
    buffer[start..start + 8].copy_from_slice(&length);
    buffer[start + 8..start + HEADER].copy_from_slice(&masked_crc(&length).to_le_bytes());
    buffer.extend_from_slice(&footer);
}

/// Cuts a stream into records. At a torn tail it stops; when the input has grown it goes on from there.
///
/// Memory follows what the input delivers, never what a length field claims.
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    buffer: Vec<u8>,
    /// The unread bytes: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Place of `buffer[start]` in the stream.
    offset: u64,
}

impl<R: Read> RecordReader<R> {
    /// A reader over `input`, which stands at a record's start, `offset` bytes into the stream.
    pub fn new(input: R, offset: u64) -> Self {
        Self { input, buffer: Vec::new(), start: 0, end: 0, offset }
    }

    /// Where the next record starts: the end of the last whole one.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The payload of the next whole record, or `None` where the input holds no further whole record yet.
    ///
    /// # Errors
    /// [`RecordError::Corrupt`] at a bad record, and again at every further call; [`RecordError::Io`] where the input
    /// fails.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, RecordError> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            let corrupt = |corruption| RecordError::Corrupt { offset: self.offset, corruption };
            let wanted = match split(unread).map_err(corrupt)? {
                Split::Whole(size) => {
                    let payload = self.start + HEADER..self.start + size - FOOTER;
                    self.start += size;
                    self.offset += size as u64;
                    return Ok(Some(&self.buffer[payload]));
                }
                Split::Short(wanted) => wanted,
            };
            if self.fill(wanted).map_err(RecordError::Io)? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads once, with room towards `wanted` unread bytes; says how many bytes came.
    fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            let room = wanted.min(self.end * 2).max(self.end + CHUNK);
            self.buffer.resize(room, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the unread bytes begin with.
enum Split {
    /// A whole record of so many bytes, framing included.
    Whole(usize),
    /// Part of a record that needs so many bytes, as far as known.
    Short(usize),
}

fn split(unread: &[u8]) -> Result<Split, Corruption> {
    let Some((header, rest)) = unread.split_first_chunk::<HEADER>() else {
        return Ok(Split::Short(HEADER));
    };
    let (length, crc) = header.split_first_chunk::<8>().expect("a header is longer than a length");
    if masked_crc(length).to_le_bytes() != crc {
        return Err(Corruption::LengthChecksum);
    }
    let length = u64::from_le_bytes(*length);
    if length > MAX_PAYLOAD {
        return Err(Corruption::TooLong(length));
    }
    let length = usize::try_from(length).map_err(|_| Corruption::TooLong(length))?;
    let Some((payload, rest)) = rest.split_at_checked(length) else {
        return Ok(Split::Short(HEADER + length + FOOTER));
    };
    let Some(crc) = rest.first_chunk::<FOOTER>() else {
        return Ok(Split::Short(HEADER + length + FOOTER));
    };
    if masked_crc(payload).to_le_bytes() != *crc {
        return Err(Corruption::PayloadChecksum);
    }
    Ok(Split::Whole(HEADER + length + FOOTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tfevents::message::Event;

    fn records(bytes: &[u8]) -> (Vec<Vec<u8>>, u64, Option<Corruption>) {
        let mut reader = RecordReader::new(bytes, 0);
        let mut found = Vec::new();
        loop {
            match reader.next_record() {
                Ok(Some(record)) => found.push(record.to_vec()),
                Ok(None) => return (found, reader.offset(), None),
                Err(RecordError::Corrupt { offset, corruption }) => {
                    assert_eq!(offset, reader.offset());
                    return (found, offset, Some(corruption));
                }
                Err(RecordError::Io(error)) => panic!("{error}"),
            }
        }
    }

    fn record(bytes: &[u8]) -> Vec<u8> {
        let length = (bytes.len() as u64).to_le_bytes();
        [&length, &masked_crc(&length).to_le_bytes()[..], bytes, &masked_crc(bytes).to_le_bytes()].concat()
    }

    #[test]
    fn checksum_agrees_with_rfc_3720() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked_crc(&[0; 32]), 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn append_frames_like_the_format() {
        let event = Event { wall_time: 1.0, step: 3, what: None };
        let mut buffer = vec![7];
        append(&mut buffer, &event);
        assert_eq!(buffer[1..], record(&event.encode_to_vec()));
    }

    #[test]
    fn every_cut_of_a_stream_stops_at_the_last_whole_record() {
        let stream = [record(b"one"), record(b""), record(b"three")].concat();
        for cut in 0..=stream.len() {
            let (found, offset, corruption) = records(&stream[..cut]);
            let whole = [19, 35, 56].iter().filter(|end| **end <= cut).count();
            assert_eq!((found.len(), corruption), (whole, None), "cut at {cut}");
            assert_eq!(offset, [0, 19, 35, 56][whole]);
        }
    }

    /// An input that grows: each part ends with the end of the input, as a live file's does.
    struct Growing<'a>(Vec<&'a [u8]>);

    impl Read for Growing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            if self.0[0].is_empty() {
                self.0.remove(0);
                return Ok(0);
            }
            self.0[0].read(buffer)
        }
    }

    #[test]
    fn goes_on_when_the_rest_of_a_torn_record_arrives() {
        let stream = [record(b"first"), record(b"second")].concat();
        let mut reader = RecordReader::new(Growing(vec![&stream[..30], &stream[30..31], &stream[31..]]), 100);
        assert_eq!(reader.next_record().unwrap(), Some(&b"first"[..]));
        assert_eq!(reader.next_record().unwrap(), None);
        assert_eq!(reader.next_record().unwrap(), None);
        assert_eq!(reader.offset(), 121);
        assert_eq!(reader.next_record().unwrap(), Some(&b"second"[..]));
        assert_eq!(reader.next_record().unwrap(), None);
        assert_eq!(reader.offset(), 143);
    }

    #[test]
    fn bad_checksums_and_lengths_are_found_where_they_are() {
        let good = record(b"good");
        for (byte, expected) in [
            (0, Corruption::LengthChecksum),
            (8, Corruption::LengthChecksum),
            (12, Corruption::PayloadChecksum),
            (19, Corruption::PayloadChecksum),
        ] {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            let (found, offset, corruption) = records(&[good.clone(), bad].concat());
            assert_eq!((found.len(), offset, corruption), (1, 20, Some(expected)));
        }
        let length = (MAX_PAYLOAD + 1).to_le_bytes();
        let header = [&length[..], &masked_crc(&length).to_le_bytes()].concat();
        assert_eq!(records(&header).2, Some(Corruption::TooLong(MAX_PAYLOAD + 1)));
    }

    #[test]
    fn a_hole_of_zero_bytes_is_corrupt() {
        assert_eq!(records(&[0; 64]).2, Some(Corruption::LengthChecksum));
    }

    #[test]
    fn a_claimed_length_takes_no_memory_until_bytes_arrive() {
        let length = MAX_PAYLOAD.to_le_bytes();
        let claim = [&length[..], &masked_crc(&length).to_le_bytes(), &[0; CHUNK]].concat();
        let mut reader = RecordReader::new(&claim[..], 0);
        assert!(reader.next_record().unwrap().is_none());
        assert!(reader.buffer.capacity() <= 2 * CHUNK, "{}", reader.buffer.capacity());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (found, offset, _) = records(&bytes);
            prop_assert!(found.iter().map(|record| record.len() + 16).sum::<usize>() as u64 == offset);
        }

        #[test]
        fn records_survive_any_fragmentation(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8),
            big in 0_usize..300_000,
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut payloads = payloads;
            payloads.push(vec![5; big]);
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| record(payload)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            let mut reader = RecordReader::new(Growing(parts), 0);
            let mut found = Vec::new();
            for _ in 0..cuts.len() {
                while let Some(record) = reader.next_record().unwrap() {
                    found.push(record.to_vec());
                }
            }
            prop_assert_eq!(found, payloads);
            prop_assert_eq!(reader.offset(), stream.len() as u64);
        }
    }
}
