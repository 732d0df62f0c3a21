//! The state of a training run in a file, from which it continues as if it had never stopped.
//!
//! Little-endian: [`MAGIC`], the CRC-32 of all that follows, the length of the run's identity and the identity, then the
//! [`State`] in the order of its fields, the vectors with their length before them.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::options::UNFINISHED;

const MAGIC: [u8; 8] = *b"nncztrn3";

/// Everything that changes while a network trains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Bytes learnt from so far.
    pub bytes_seen: u64,
    /// Time spent on it.
    pub elapsed: Duration,
    /// State of the random numbers.
    pub random: [u64; 4],
    /// Steps of the optimiser.
    pub steps: u32,
    /// The parameters.
    pub values: Vec<f32>,
    /// The optimiser's first moments.
    pub first: Vec<f32>,
    /// The optimiser's second moments.
    pub second: Vec<f32>,
    /// The mean squared gradients of tensors.
    pub squares: Vec<f32>,
    /// What the network and contexts count.
    pub shares: Vec<f32>,
}

/// Writes `state` of the run named by `identity` to a new file and puts it in the place of `path` when it is whole.
///
/// # Errors
/// Whatever writing fails with.
pub fn save(path: &Path, identity: &str, state: &State) -> Result<()> {
    let content = encode(identity, state);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let [prefix, suffix] = UNFINISHED;
    let mut file = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(folder)?;
    // Where the file system knows no locks, nobody takes an unfinished file for a leftover either.
    file.as_file().try_lock().ok();
    file.write_all(&MAGIC)?;
    file.write_all(&crc32fast::hash(&content).to_le_bytes())?;
    file.write_all(&content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The state that [`save`] wrote for the run named by `identity`, with `parameters` parameters in `tensors` tensors; nothing if the file
/// is that of another run or damaged.
///
/// # Errors
/// Whatever reading fails with, unless the file does not exist.
pub fn load(path: &Path, identity: &str, parameters: usize, tensors: usize) -> Result<Option<State>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let longest = encode(identity, &State::default()).len() + MAGIC.len() + 4 + 12 * parameters + 4 * tensors + 8;
    let mut content = Vec::new();
    file.take(longest as u64 + 1).read_to_end(&mut content)?;
    Ok(decode(&content, identity).filter(|state| {
        let lengths = vectors(state).map(Vec::len);
        lengths == [parameters, parameters, parameters, tensors, 2]
    }))
}

fn encode(identity: &str, state: &State) -> Vec<u8> {
    let mut content = Vec::new();
    content.extend((identity.len() as u64).to_le_bytes());
    content.extend(identity.as_bytes());
    content.extend(state.bytes_seen.to_le_bytes());
    content.extend((state.elapsed.as_nanos() as u64).to_le_bytes());
    content.extend(state.random.iter().flat_map(|word| word.to_le_bytes()));
    content.extend(u64::from(state.steps).to_le_bytes());
    for vector in vectors(state) {
        content.extend((vector.len() as u64).to_le_bytes());
        content.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
    }
    content
}

fn vectors(state: &State) -> [&Vec<f32>; 5] {
    [&state.values, &state.first, &state.second, &state.squares, &state.shares]
}

fn decode(bytes: &[u8], identity: &str) -> Option<State> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (checksum, mut rest) = rest.split_first_chunk()?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(rest) {
        return None;
    }
    let mut take = |count: usize| rest.split_off(..count);
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    let length = usize::try_from(number(take(8)?)?).ok()?;
    if take(length)? != identity.as_bytes() {
        return None;
    }
    let bytes_seen = number(take(8)?)?;
    let elapsed = Duration::from_nanos(number(take(8)?)?);
    let mut random = [0; 4];
    for word in &mut random {
        *word = number(take(8)?)?;
    }
    let steps = u32::try_from(number(take(8)?)?).ok()?;
    let mut vector = || {
        let length = usize::try_from(number(take(8)?)?).ok()?;
        let bytes = take(length.checked_mul(4)?)?.as_chunks().0;
        Some(bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let (values, first, second, squares, shares) = (vector()?, vector()?, vector()?, vector()?, vector()?);
    Some(State { bytes_seen, elapsed, random, steps, values, first, second, squares, shares })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            bytes_seen: 77,
            elapsed: Duration::from_millis(1234),
            random: [1, 2, 3, 4],
            steps: 5,
            values: vec![1.0, -2.5],
            first: vec![0.5, 0.25],
            second: vec![f32::MIN_POSITIVE, 3.0],
            squares: vec![7.0],
            shares: vec![0.5, 0.75],
        }
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        assert_eq!(load(&path, "run", 2, 1).unwrap(), None);
        save(&path, "run", &State::default()).unwrap();
        save(&path, "run", &state()).unwrap();
        assert_eq!(load(&path, "run", 2, 1).unwrap(), Some(state()));
        assert_eq!(load(&path, "another run", 2, 1).unwrap(), None);
        assert_eq!(load(&path, "run", 3, 1).unwrap(), None);
        assert_eq!(load(&path, "run", 2, 2).unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file may stay");
    }

    #[test]
    fn what_is_not_whole_yet_has_the_name_of_an_unfinished_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let state = State { values: vec![1.0; 1 << 20], ..State::default() };
        let mut names = std::collections::BTreeSet::new();
        std::thread::scope(|scope| {
            let saving = scope.spawn(|| (0..4).for_each(|_| save(&path, "run", &state).unwrap()));
            while !saving.is_finished() {
                let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
                names.extend(entries.map(|entry| entry.file_name().into_string().unwrap()));
            }
        });
        let [prefix, suffix] = UNFINISHED;
        assert!(names.len() > 1 && names.remove("run"));
        assert!(names.iter().all(|name| name.starts_with(prefix) && name.ends_with(suffix)), "{names:?}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        save(&path, "run", &state()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 4;
            assert_eq!(decode(&damaged, "run"), None, "byte {place} flipped");
            assert_eq!(decode(&whole[..place], "run"), None, "cut at {place}");
        }
    }
}
