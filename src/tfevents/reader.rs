//! The scalars of an event file, streamed, and its HParams records.
//!
//! Used by `follow`, which opens the files and remembers how far it got. Knows no paths: its errors carry the offset, and
//! the caller adds the rest.

use std::io::Read;

use super::{
    hparams::{HParamsRecord, records_of},
    record::{RecordError, RecordReader},
    scalars::{self, ScalarTags, Told},
};

/// Reads the scalars of a stream of records, as far as whole records go.
#[derive(Debug)]
pub struct EventReader<R> {
    records: RecordReader<R>,
    offset: u64,
}

impl<R: Read> EventReader<R> {
    /// A reader over `input`, which stands at a record's start, `offset` bytes into the file.
    pub fn new(input: R, offset: u64) -> Self {
        Self { records: RecordReader::new(input, offset), offset }
    }

    /// Where reading goes on: the end of the last record whose scalars were handed over.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Hands every scalar and every start of a session up to the end of the last whole record to `sink`, in file order.
    ///
    /// A torn tail is no error: call again when the input has grown, or make a new reader at [`Self::offset`].
    ///
    /// # Errors
    /// [`RecordError::Corrupt`] at a record that is none or holds no event; [`RecordError::Io`] where the input fails.
    pub fn read(&mut self, tags: &mut ScalarTags, sink: impl FnMut(Told<'_>)) -> Result<(), RecordError> {
        self.read_events(tags, sink, |_| {})
    }

    /// As [`Self::read`], and hands every HParams record to `hparams`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_with_hparams(
        &mut self,
        tags: &mut ScalarTags,
        sink: impl FnMut(Told<'_>),
        mut hparams: impl FnMut(HParamsRecord),
    ) -> Result<(), RecordError> {
        self.read_events(tags, sink, |event| records_of(event).into_iter().for_each(&mut hparams))
    }

    fn read_events(
        &mut self,
        tags: &mut ScalarTags,
        mut sink: impl FnMut(Told<'_>),
        mut look: impl FnMut(&[u8]),
    ) -> Result<(), RecordError> {
        while let Some(event) = self.records.next_record()? {
            look(event);
            scalars::of_event(event, tags, &mut sink)
                .map_err(|corruption| RecordError::Corrupt { offset: self.offset, corruption })?;
            self.offset = self.records.offset();
        }
        Ok(())
    }
}
