//! The logistic domain: stretch(p) = log2(p / (1 − p)) and its inverse, squash, in integers.
//!
//! Probabilities have 16 bits (`1..=65535` of 65536), log-odds are in 1/256 octave within ±[`STRETCH_MAX`].

use std::sync::LazyLock;

/// Bound of the log-odds: 16 octaves less one step.
pub const STRETCH_MAX: i32 = 4095;

/// 2^(1/256) in units of 2^-30, rounded.
const ROOT: u64 = 1_076_653_033;
const ONE: u64 = 1 << 30;
/// Probabilities below this have an entry of their own in the stretch table; above, sixteen share one.
pub const FINE: u32 = 1 << 12;
const STRETCH_ENTRIES: usize = (FINE + ((1 << 15) - FINE) / 16 + 1) as usize;

/// The two tables; see [`tables`].
pub struct Logistic {
    squash: [u16; 2 * STRETCH_MAX as usize + 2],
    stretch: [i16; STRETCH_ENTRIES],
}

/// The tables, computed once.
pub fn tables() -> &'static Logistic {
    static TABLES: LazyLock<Logistic> = LazyLock::new(Logistic::new);
    &TABLES
}

impl Logistic {
    /// The probability whose log-odds are `octaves`, which must lie within ±[`STRETCH_MAX`].
    #[inline(always)]
    pub fn squash(&self, octaves: i32) -> u32 {
        u32::from(self.squash[((octaves + STRETCH_MAX) & 8191) as usize])
    }

    /// The log-odds of `probability`, `0..=65535` (0 counts as 1). Exact to the table's step: probabilities of 1/16 to 15/16
    /// are looked up in steps of 16.
    #[inline(always)]
    pub fn stretch(&self, probability: u32) -> i32 {
        let upper = probability >= 1 << 15;
        let small = if upper { (1 << 16) - probability } else { probability };
        let entry = if small < FINE { small } else { FINE + ((small - FINE) >> 4) };
        let octaves = i32::from(self.stretch[entry as usize]);
        if upper { -octaves } else { octaves }
    }

    fn new() -> Self {
        let mut squash = [1; 2 * STRETCH_MAX as usize + 2];
        for octaves in 0..=STRETCH_MAX as usize {
            let upper = exact_squash(octaves as u32);
            squash[STRETCH_MAX as usize + octaves] = upper as u16;
            squash[STRETCH_MAX as usize - octaves] = ((1 << 16) - upper) as u16;
        }
        squash[2 * STRETCH_MAX as usize + 1] = squash[2 * STRETCH_MAX as usize];
        let mut stretch = [0; STRETCH_ENTRIES];
        // The largest log-odds whose probability is not above the entry's, so walking down from 1/2.
        let mut octaves = 0;
        for entry in (0..STRETCH_ENTRIES).rev() {
            let entry_start = if entry < FINE as usize { entry as u32 } else { FINE + (entry as u32 - FINE) * 16 };
            while octaves > -STRETCH_MAX && u32::from(squash[(octaves + STRETCH_MAX) as usize]) > entry_start {
                octaves -= 1;
            }
            stretch[entry] = octaves as i16;
        }
        Self { squash, stretch }
    }
}

/// 65536 · 2^(octaves/256) / (1 + 2^(octaves/256)), rounded and at most 65535.
fn exact_squash(octaves: u32) -> u64 {
    let mut fraction = ONE;
    for _ in 0..octaves % 256 {
        fraction = (fraction * ROOT + ONE / 2) >> 30;
    }
    let odds = fraction << (octaves / 256);
    let sum = ONE + odds;
    (((odds << 16) + sum / 2) / sum).min(65535)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squash_is_the_logistic_function_to_half_a_unit() {
        for octaves in -STRETCH_MAX..=STRETCH_MAX {
            let squash = tables().squash(octaves);
            assert!((1..=65535).contains(&squash));
            assert_eq!(squash + tables().squash(-octaves), 65536);
            assert!(octaves == -STRETCH_MAX || squash >= tables().squash(octaves - 1));
        }
        // p / (1 - p) = 2^k at whole octaves.
        for (octave, expected) in [(0, 32768), (1, 43691), (2, 52429), (3, 58254), (8, 65281), (15, 65534)] {
            assert_eq!(tables().squash(octave * 256), expected);
        }
    }

    #[test]
    fn stretch_inverts_squash() {
        let mut last = -STRETCH_MAX;
        for probability in 1..=65535 {
            let octaves = tables().stretch(probability);
            assert!(octaves >= last && octaves.abs() <= STRETCH_MAX);
            last = octaves;
            let back = tables().squash(octaves).abs_diff(probability);
            let table_step = if probability.min(65536 - probability) < FINE { 0 } else { 16 };
            assert!(back <= 45 + table_step, "{probability} comes back {back} away");
        }
        for octaves in -2048..=2048i32 {
            let back = tables().stretch(tables().squash(octaves)).abs_diff(octaves);
            assert!(back <= 1 + (octaves.unsigned_abs() >> 9), "{octaves} comes back {back} away");
        }
    }
}
