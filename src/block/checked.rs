//! One block on two threads: one encodes it, the other decodes the stream as it grows and compares.
//!
//! The decoder is the one that reads archives. It waits for the encoder's words, and the encoder waits where the decoder
//! falls far behind; whichever ends early, however, hangs up and so wakes the other.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::{Coding, Unobserved};
use crate::coder::{Decoder, Encoder, Followed};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Progress, Quiet};

/// Chunks of the stream that wait for the decoder at most, each of what [`super::STRIDE`] bytes became.
const WAITING: usize = 64;

impl Coding<'_> {
    /// Codes a block, and decodes it on a second thread. Returns the stream, and what the stream was that has restored `bytes`.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] if it restored others, and [`ErrorKind::Cancelled`].
    pub fn encode_and_check(&self, bytes: &[u8], progress: &dyn Progress) -> Result<(Vec<u8>, Followed)> {
        let (sender, receiver) = sync_channel(WAITING);
        let (stream, followed) = std::thread::scope(|scope| {
            let decoder = scope.spawn(|| self.check(receiver, bytes, progress));
            let stream = self.encode_into(sender, bytes, progress);
            (stream, decoder.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        // The encoder's error first: of a stream that was given up the decoder may find anything.
        Ok((stream?, followed?))
    }

    /// Encodes a block, and hands its stream over as it grows.
    fn encode_into(&self, chunks: SyncSender<Vec<u8>>, bytes: &[u8], progress: &dyn Progress) -> Result<Vec<u8>> {
        let (mut sent, mut observer) = (0, Unobserved);
        let mut block = self.block(Encoder::new(), bytes.len(), Some(bytes), &mut observer);
        block.run(progress, |coder| {
            let chunk = coder.settled(sent);
            sent += chunk.len();
            // A decoder that has hung up says why itself.
            let _ = chunks.send(chunk);
        })?;
        let stream = block.coder.finish();
        let _ = chunks.send(stream[sent..].to_vec());
        Ok(stream)
    }

    /// Decodes a stream that comes in chunks, and compares what it restores with `bytes`.
    fn check(&self, chunks: Receiver<Vec<u8>>, bytes: &[u8], progress: &dyn Progress) -> Result<Followed> {
        let (decoder, mut observer) = (Decoder::following(chunks), Unobserved);
        let mut block = self.block(decoder, bytes.len(), None, &mut observer);
        block.run(&Quiet(progress), |_| ())?;
        let followed = block.coder.followed();
        let restored = block.predictor.into_bytes();
        match restored.iter().zip(bytes).position(|(restored, original)| restored != original) {
            None => Ok(followed),
            Some(at) => {
                let message = format!("byte {at} of a block of {} bytes is not what its stream restores", bytes.len());
                Err(Error::new(ErrorKind::Mismatch, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::STRIDE;
    use super::*;
    use crate::layout::Layout;
    use crate::net::Instructions;
    use crate::predict::{Effort, Tables};
    use crate::progress::Silent;

    const CODING: Coding<'_> = Coding {
        layout: &Layout::Plain,
        tables: Tables { bits: 14, effort: Effort::Fast },
        instructions: Instructions::Scalar,
        network: None,
    };

    fn rows(count: usize) -> Vec<u8> {
        (0..count).flat_map(|row| format!("{row},{}\n", row * row % 977).into_bytes()).collect()
    }

    /// The chunks of a stream, sent before anybody reads them.
    fn sent(bytes: &[u8]) -> Vec<Vec<u8>> {
        let (sender, receiver) = sync_channel(1000);
        CODING.encode_into(sender, bytes, &Silent).unwrap();
        receiver.into_iter().collect()
    }

    fn check(chunks: Vec<Vec<u8>>, bytes: &[u8]) -> Result<Followed> {
        let (sender, receiver) = sync_channel(chunks.len());
        chunks.into_iter().for_each(|chunk| sender.send(chunk).unwrap());
        drop(sender);
        CODING.check(receiver, bytes, &Silent)
    }

    #[test]
    fn the_stream_is_that_of_one_thread_and_what_was_followed_is_the_stream() {
        let lengths = (0..60).chain([STRIDE - 1, STRIDE, STRIDE + 1, 5 * STRIDE + 7]);
        let rows = rows(20_000);
        for bytes in lengths.map(|length| &rows[..length]).chain([&[0; 3 * STRIDE][..]]) {
            let (stream, followed) = CODING.encode_and_check(bytes, &Silent).unwrap();
            assert!(CODING.encode(bytes, &Silent).unwrap() == stream, "{} bytes", bytes.len());
            let expected = Followed { length: stream.len() as u64, crc: crc32fast::hash(&stream) };
            assert_eq!(followed, expected, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn what_does_not_come_back_is_a_mismatch() {
        let bytes = rows(10_000);
        let chunks = sent(&bytes);
        assert!(chunks.len() > 4 && check(chunks.clone(), &bytes).is_ok());
        for place in [0, 3 * STRIDE, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[place] ^= 1;
            let error = check(chunks.clone(), &other).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Mismatch);
            assert!(error.to_string().contains(&format!("byte {place} ")), "{error}");
        }
        for number in 1..chunks.len() {
            let mut other = chunks.clone();
            other[number][0] ^= 1;
            assert_eq!(check(other, &bytes).unwrap_err().kind(), ErrorKind::Mismatch, "chunk {number}");
            let given_up = chunks[..number].to_vec();
            assert_eq!(check(given_up, &bytes).unwrap_err().kind(), ErrorKind::Mismatch, "{number} chunks");
        }
    }

    #[test]
    fn an_encoder_ends_whose_decoder_has_hung_up() {
        let (sender, receiver) = sync_channel(0);
        drop(receiver);
        let bytes = rows(5_000);
        let stream = CODING.encode_into(sender, &bytes, &Silent).unwrap();
        assert!(CODING.encode(&bytes, &Silent).unwrap() == stream);
    }

    /// Says at one of the looks that the work should stop.
    struct Stop {
        looks: AtomicU64,
        at: u64,
    }

    impl Progress for Stop {
        fn is_cancelled(&self) -> bool {
            self.looks.fetch_add(1, Ordering::Relaxed) == self.at
        }
    }

    #[test]
    fn whichever_of_the_two_is_stopped_the_other_ends() {
        let bytes = rows(20_000);
        for at in 0..16 {
            let stop = Stop { looks: AtomicU64::new(0), at };
            assert_eq!(CODING.encode_and_check(&bytes, &stop).unwrap_err().kind(), ErrorKind::Cancelled, "look {at}");
        }
    }

    /// Panics when the encoder tells of its work.
    struct Panic;

    impl Progress for Panic {
        fn advance(&self, _: u64) {
            panic!("as it shall");
        }
    }

    #[test]
    #[should_panic(expected = "as it shall")]
    fn a_panic_of_the_encoder_is_passed_on() {
        let _ = CODING.encode_and_check(&rows(20_000), &Panic);
    }
}
