//! `state.safetensors` as bytes: the weights, both moments of Adam, the statistics of batch norms, and a hash of it all.
//!
//! Streamed in rows both ways: of the paper's networks the largest has 2.4 GB of them, and no second copy is held. What
//! the file says of itself is `run::TrainingState` of the library; when it is written and read is up to the parent.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write},
    path::Path,
};

use gridboard::{
    base::files::{Durability, write_whole_with},
    run::{RunDir, StateError, TrainingState},
};
use safetensors::Dtype;

use crate::{
    engine::{Engine, Values},
    weights,
};

/// Bytes that go into or out of the file at once.
const BUFFER: usize = 1 << 20;
/// Bytes of the hash.
const DIGEST_BYTES: usize = 32;

/// One tensor of the file.
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Among those of the engine.
    place: usize,
    part: Values,
}

/// What is written, in the order of the file: larger numbers first, so that each begins at a multiple of its size.
fn entries(engine: &Engine) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (place, info) in engine.state().into_iter().enumerate() {
        let mut add = |part, behind: &str| {
            let (name, dtype) = (format!("{}{behind}", info.name), weights::dtype(&info));
            entries.push(Entry { name, dtype, shape: info.shape.clone(), place, part });
        };
        add(Values::Value, "");
        if info.is_trained {
            add(Values::FirstMoment, ".first_moment");
            add(Values::SecondMoment, ".second_moment");
        }
    }
    entries.sort_by_key(|entry| entry.dtype != Dtype::I64);
    entries
}

/// The length of the header and the header: the same for the same state and network, to the byte.
fn front(entries: &[Entry], state: &TrainingState) -> io::Result<Vec<u8>> {
    let about = serde_json::to_string(state)?;
    let tensors = entries.iter().map(|entry| (entry.name.clone(), entry.dtype, entry.shape.clone()));
    let digest = (TrainingState::DIGEST.to_owned(), Dtype::U8, vec![DIGEST_BYTES]);
    let header = weights::header(tensors.chain([digest]), about)?;
    let mut front = (header.len() as u64).to_le_bytes().to_vec();
    front.extend(header.into_bytes());
    Ok(front)
}

/// Bytes of a state of this network, roughly.
pub(super) fn size(engine: &Engine) -> u64 {
    let numbers = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    entries(engine).iter().map(|entry| numbers(&entry.shape) * size_of::<f32>() as u64).sum()
}

/// Writes the state, whole or not at all, to the disk.
///
/// # Errors
/// Where it cannot be written; an earlier state is then what it was.
pub(super) fn write(path: &Path, engine: &Engine, state: &TrainingState) -> io::Result<()> {
    let entries = entries(engine);
    let front = front(&entries, state)?;
    let written = write_whole_with(path, Durability::Synced, |file| {
        let mut file = Hashing { inner: BufWriter::with_capacity(BUFFER, file), hash: blake3::Hasher::new() };
        file.write_all(&front)?;
        for entry in &entries {
            engine.write(entry.place, entry.part, &mut file)?;
        }
        let digest = *file.hash.finalize().as_bytes();
        file.inner.write_all(&digest)?;
        file.inner.flush()
    });
    written.map_err(|error| error.source)
}

/// Puts the tensors of the state in `dir` into the engine, and its counters.
///
/// # Errors
/// [`StateError::Damaged`] and [`StateError::Io`]. The engine may then hold a part of it.
pub(super) fn load(dir: &RunDir, state: &TrainingState, engine: &mut Engine) -> Result<(), StateError> {
    let path = dir.state();
    let damaged = |problem: &str| StateError::Damaged { path: path.clone(), problem: problem.to_owned() };
    let fail = |error| StateError::Io { path: path.clone(), error };
    let entries = entries(engine);
    let expected = front(&entries, state).map_err(fail)?;
    let file = File::open(&path).map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    let mut file = BufReader::with_capacity(BUFFER, file);
    let mut found = vec![0; expected.len()];
    file.read_exact(&mut found).map_err(|_| damaged("it is cut off"))?;
    if found != expected {
        return Err(damaged("its tensors are not those of the network"));
    }
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    let mut hash = blake3::Hasher::new();
    let hashed = bytes.saturating_sub(DIGEST_BYTES as u64);
    io::copy(&mut file.by_ref().take(hashed), &mut hash).map_err(fail)?;
    let mut digest = [0; DIGEST_BYTES];
    file.read_exact(&mut digest).map_err(|_| damaged("it is cut off"))?;
    if hash.finalize() != blake3::Hash::from_bytes(digest) {
        return Err(damaged("its content is not what was written"));
    }
    file.seek(SeekFrom::Start(expected.len() as u64)).map_err(fail)?;
    for entry in &entries {
        engine.read(entry.place, entry.part, &mut file).map_err(fail)?;
    }
    Ok(())
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hash: blake3::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
