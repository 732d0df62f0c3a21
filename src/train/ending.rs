//! How a run is watched while it lasts, and how it ends early.

use std::time::{Duration, Instant};

use super::advice::{Advice, Wanted};
use crate::error::Result;
use crate::net::Weights;

/// Time from the start to the first look at the network.
const FIRST_LOOK: Duration = Duration::from_secs(4);
/// Looks take at most this part of the time.
const LOOKING_SHARE: u32 = 25;
/// Longest time from the request to end to the end.
const LANDING_TIME: Duration = Duration::from_secs(10);
/// The part of what was learnt so far that is learnt once more on the way to the end.
const LANDING_SHARE: f64 = 0.1;

/// What is done with the network on the way.
type Show<'a> = &'a mut dyn FnMut(&Weights) -> Result<()>;

/// Whether training shall go on with a network that stands so: then with what contexts say of the places it learns from.
pub(super) type Judge<'a> = &'a mut dyn FnMut(&Weights, &Wanted) -> Result<Option<Advice>>;

/// Shows the network, as it would be in the archive now, to a caller.
pub struct Watch<'a> {
    show: Option<Show<'a>>,
    next: Instant,
    /// Who judges, and after what share of the budget.
    probe: Option<(f64, Judge<'a>)>,
}

impl<'a> Watch<'a> {
    /// Calls `show` from time to time.
    pub fn new(show: Show<'a>) -> Self {
        Self { show: Some(show), next: Instant::now() + FIRST_LOOK, probe: None }
    }

    /// Shows nothing.
    pub fn none() -> Self {
        Self { show: None, next: Instant::now(), probe: None }
    }

    /// Asks `judge` once, when `percent` of the budget are used up, whether to go on, and for advice.
    pub fn with_probe(self, percent: u32, judge: Judge<'a>) -> Self {
        Self { probe: Some((f64::from(percent) / 100.0, judge)), ..self }
    }

    /// Shows the `weights` if it is time to.
    pub(super) fn look(&mut self, weights: impl FnOnce() -> Result<Weights>) -> Result<()> {
        let begin = Instant::now();
        if let Some(show) = self.show.as_mut().filter(|_| begin >= self.next) {
            show(&weights()?)?;
            self.next = Instant::now() + FIRST_LOOK.max(LOOKING_SHARE * begin.elapsed());
        }
        Ok(())
    }

    /// Who is to be asked where the share `used` of the budget is used up.
    pub(super) fn judge(&mut self, used: f64) -> Option<Judge<'a>> {
        self.probe.take_if(|(share, _)| used >= *share).map(|(_, judge)| judge)
    }
}

/// The way from the request to end to the end. Weights in the middle of a run are noisy and not used to being rounded;
/// a short stretch of what the end of every run does, with a falling rate on rounded weights, mends both.
pub struct Landing {
    /// Share of the budget that counts as used at its beginning.
    from: f64,
    begin: Instant,
    first_byte: u64,
    bytes: f64,
}

impl Landing {
    /// Begins where the share `used` of the budget was used up with `bytes_seen`, if the weights are rounded in the
    /// last share `rounding` of it.
    pub fn new(used: f64, rounding: f64, bytes_seen: u64) -> Self {
        let from = used.max(1.0 - rounding).min(1.0);
        let share = LANDING_SHARE * (1.0 - from) / rounding.max(f64::MIN_POSITIVE);
        Self { from, begin: Instant::now(), first_byte: bytes_seen, bytes: share * bytes_seen as f64 }
    }

    /// Share of the budget that counts as used when training has seen `bytes_seen` bytes.
    pub fn used(&self, bytes_seen: u64) -> f64 {
        let by_bytes = (bytes_seen - self.first_byte) as f64 / self.bytes.max(1.0);
        let by_time = self.begin.elapsed().as_secs_f64() / LANDING_TIME.as_secs_f64();
        self.from + (1.0 - self.from) * by_bytes.max(by_time)
    }
}
