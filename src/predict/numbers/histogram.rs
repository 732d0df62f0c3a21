//! How far numbers lie from where they were expected: a histogram, fine near zero and coarse far away.

/// Bins on each side of zero.
const SIDE: usize = 160;
/// Bins in all.
const BINS: usize = 2 * SIDE;
/// Distances below this have bins of their own, in powers of two; above, each octave has four.
const FINE_BITS: u32 = 3;
/// What a difference adds to the bins around its own.
const KERNEL: [u32; 5] = [4, 8, 16, 8, 4];
/// The sum of all bins from which on they are halved.
const MOST: u32 = 1 << 18;
/// What each bin holds at first.
const PRIOR: u32 = 2;
/// Binary places of shares of a bin.
const SHARE_BITS: u32 = 12;

/// Counts of differences, as running sums.
#[derive(Clone)]
pub struct Histogram {
    /// The sum of the bins before each, then that of all.
    below: [u32; BINS + 1],
}

/// One bin: its number, the least difference in it, and the base-2 logarithm of its width.
struct Bin {
    number: usize,
    least: i64,
    width_bits: u32,
}

impl Histogram {
    /// Every bin alike: a distance is as likely to be in one octave as in another.
    pub fn new() -> Self {
        Self { below: std::array::from_fn(|number| number as u32 * PRIOR) }
    }

    /// How many differences were below `difference`, in 1/2^[`SHARE_BITS`]; those in its bin are held to be evenly spread.
    #[inline(always)]
    pub fn below(&self, difference: i64) -> u32 {
        let Bin { number, least, width_bits } = Bin::of(difference);
        let offset = difference.wrapping_sub(least) as u64;
        let share = match width_bits {
            0..=SHARE_BITS => offset << (SHARE_BITS - width_bits),
            _ => offset >> (width_bits - SHARE_BITS),
        };
        let inside = self.below[number + 1] - self.below[number];
        (self.below[number] << SHARE_BITS) + inside * share.min(1 << SHARE_BITS) as u32
    }

    /// Takes note of a difference.
    pub fn learn(&mut self, difference: i64) {
        let first = Bin::of(difference).number.saturating_sub(KERNEL.len() / 2).min(BINS - KERNEL.len());
        let mut added = 0;
        for (sum, more) in self.below[first + 1..].iter_mut().zip(KERNEL) {
            added += more;
            *sum += added;
        }
        self.below[first + 1 + KERNEL.len()..].iter_mut().for_each(|sum| *sum += added);
        if self.below[BINS] > MOST {
            self.halve();
        }
    }

    fn halve(&mut self) {
        let (mut before, mut sum) = (0, 0);
        for place in &mut self.below[1..] {
            sum += (*place - before).div_ceil(2);
            before = std::mem::replace(place, sum);
        }
    }
}

impl Bin {
    #[inline(always)]
    fn of(difference: i64) -> Self {
        // A negative difference lies in the mirror image of the bin of its complement.
        let distance = (difference ^ (difference >> 63)) as u64;
        let (place, start, width_bits) = if distance < 1 << FINE_BITS {
            (distance as usize, distance as i64, 0)
        } else {
            let octave = distance.ilog2();
            let quarter = (distance >> (octave - 2)) & 3;
            let place = (1 << FINE_BITS) + 4 * (octave - FINE_BITS) as usize + quarter as usize;
            (place, ((4 + quarter) << (octave - 2)) as i64, octave - 2)
        };
        let place = place.min(SIDE - 1);
        match difference < 0 {
            true => Self { number: SIDE - 1 - place, least: -start - (1 << width_bits), width_bits },
            false => Self { number: SIDE + place, least: start, width_bits },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_difference_lies_in_the_bin_that_it_counts_for(difference in -(1i64 << 40)..1 << 40) {
            let Bin { number, least, width_bits } = Bin::of(difference);
            prop_assert!((least..least + (1 << width_bits)).contains(&difference));
            prop_assert!(Bin::of(least + (1 << width_bits)).number == number + 1);
        }

        #[test]
        fn more_is_below_a_greater_difference(seen in proptest::collection::vec(-1000i64..1000, 0..200), place in -2000i64..2000) {
            let mut histogram = Histogram::new();
            seen.iter().for_each(|&difference| histogram.learn(difference));
            prop_assert!(histogram.below(place) <= histogram.below(place + 1));
        }
    }

    #[test]
    fn what_was_often_seen_is_likely_and_what_is_old_fades() {
        let mut histogram = Histogram::new();
        (0..20_000).for_each(|_| histogram.learn(500));
        let between = |histogram: &Histogram, least, most| histogram.below(most) - histogram.below(least);
        assert!(between(&histogram, 300, 800) > between(&histogram, -1 << 40, 1 << 40) / 10 * 9);
        (0..20_000).for_each(|_| histogram.learn(-70));
        assert!(between(&histogram, 300, 800) < between(&histogram, -100, -50) / 4);
    }
}
