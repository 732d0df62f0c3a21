//! What followed in the same context the last times: the history of a byte, and of three bytes, as contexts.

use super::mix;

/// The last two bytes that followed each byte, and each hash of three bytes; the latest lowest.
#[derive(Clone, Debug)]
pub struct Followers {
    of_one: Vec<u16>,
    of_three: Vec<u16>,
}

impl Default for Followers {
    fn default() -> Self {
        Self { of_one: vec![0; 1 << 8], of_three: vec![0; 1 << 16] }
    }
}

impl Followers {
    /// Takes note of the lowest byte of `last`, which came after the others.
    #[inline(always)]
    pub fn advance(&mut self, last: u64) {
        let before = last >> 8;
        for place in [&mut self.of_one[one(before)], &mut self.of_three[three(before)]] {
            *place = *place << 8 | (last & 255) as u16;
        }
    }

    /// What followed the last byte.
    #[inline(always)]
    pub fn of_one(&self, last: u64) -> u64 {
        self.of_one[one(last)].into()
    }

    /// What followed the last three bytes.
    #[inline(always)]
    pub fn of_three(&self, last: u64) -> u64 {
        self.of_three[three(last)].into()
    }
}

#[inline(always)]
fn one(last: u64) -> usize {
    (last & 255) as usize
}

#[inline(always)]
fn three(last: u64) -> usize {
    (mix(last & 0xFF_FFFF, 1) >> 48) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_are_those_of_the_last_two_times() {
        let (mut followers, mut last) = (Followers::default(), 0);
        for byte in *b"abcX..abcY..abc" {
            last = last << 8 | u64::from(byte);
            followers.advance(last);
        }
        assert_eq!(followers.of_one(last), u64::from(b'X') << 8 | u64::from(b'Y'));
        assert_eq!(followers.of_three(last), u64::from(b'X') << 8 | u64::from(b'Y'));
    }
}
