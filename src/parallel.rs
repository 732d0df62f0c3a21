//! Numbered work on a few threads, with the results taken in order.

use std::num::NonZeroUsize;
use std::sync::mpsc::sync_channel;

use crate::error::Result;

/// Most results that are there at once, beside those still in work, where there is this `count` of them.
pub fn waiting(count: u64, threads: NonZeroUsize) -> u64 {
    match count.min(threads.get() as u64) {
        0..=1 => 0,
        threads => threads + 1,
    }
}

/// Does `work(0)`, …, `work(count − 1)` on `threads` threads and calls `take` with each result, in order.
///
/// Every thread has its fixed share of the numbers and at most one result that waits to be taken, so that memory
/// stays bounded. After an error no new work is begun.
///
/// # Errors
/// The first error, in order, of `work` or `take`.
pub fn in_order<T: Send>(
    count: usize,
    threads: NonZeroUsize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let threads = threads.get().min(count);
    if threads <= 1 {
        return (0..count).try_for_each(|number| take(number, work(number)?));
    }
    let work = &work;
    std::thread::scope(|scope| {
        let share = |first: usize| {
            let (sender, receiver) = sync_channel(1);
            scope.spawn(move || {
                for number in (first..count).step_by(threads) {
                    let result = work(number);
                    let failed = result.is_err();
                    if sender.send(result).is_err() || failed {
                        return;
                    }
                }
            });
            receiver
        };
        let results: Vec<_> = (0..threads).map(share).collect();
        for number in 0..count {
            // A thread that hangs up early has panicked, which the end of the scope passes on.
            let Ok(result) = results[number % threads].recv() else { break };
            take(number, result?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn threads(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for number in 1..=5 {
            let mut taken = Vec::new();
            let slow_when_even = |i: usize| {
                std::thread::sleep(std::time::Duration::from_millis(if i.is_multiple_of(2) { 3 } else { 0 }));
                Ok(i * i)
            };
            in_order(17, threads(number), slow_when_even, |i, square| {
                taken.push((i, square));
                Ok(())
            })
            .unwrap();
            assert_eq!(taken, (0..17).map(|i| (i, i * i)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_in_order_is_returned_and_ends_the_work() {
        for number in 1..=4 {
            let mut taken = 0;
            let fail_from_5 = |i: usize| if i < 5 { Ok(i) } else { Err(Error::damaged(i)) };
            let error = in_order(1_000_000, threads(number), fail_from_5, |_, _| {
                taken += 1;
                Ok(())
            });
            assert_eq!((taken, error.unwrap_err().to_string()), (5, "damaged archive: 5".to_string()));
        }
    }
}
