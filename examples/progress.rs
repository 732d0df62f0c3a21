//! Follows a compression with a network, ends its training after some seconds and keeps what was learned, and cancels
//! another one:
//!
//! ```sh
//! cargo run --release --example progress -- examples/trips.csv 5
//! ```

use std::time::{Duration, Instant};

use nncz::{ErrorKind, NetworkChoice, Options, Phase, Progress, compress, verify};

/// Prints what it is told, and ends training at a moment.
struct Watcher {
    ends_training: Instant,
    is_cancelled: bool,
}

impl Progress for Watcher {
    fn begin(&self, phase: Phase, total: u64) {
        println!("{phase:?}, {total} to do");
    }

    fn follows_archive(&self) -> bool {
        true
    }

    fn archive_so_far(&self, bytes: u64) {
        println!("  the archive would have about {bytes} bytes now");
    }

    fn note(&self, text: &str) {
        println!("  {text}");
    }

    fn ends_training(&self) -> bool {
        Instant::now() >= self.ends_training
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "examples/trips.csv".to_owned());
    let seconds = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;

    let source = std::fs::read(path)?;
    let options = Options { network: NetworkChoice::Width(32), ..Options::default() };
    let watcher = Watcher { ends_training: Instant::now() + Duration::from_secs(seconds), is_cancelled: false };
    let mut archive = Vec::new();
    let summary = compress(&source, &options, &mut archive, &watcher)?;
    verify(&archive, &source, &summary.proof, &options.resources, &watcher)?;
    println!("{} → {} bytes", summary.original, summary.archive);

    let cancelled = Watcher { is_cancelled: true, ..watcher };
    let error = compress(&source, &options, &mut Vec::new(), &cancelled).err();
    println!("cancelled: {}", error.is_some_and(|error| error.kind() == ErrorKind::Cancelled));
    Ok(())
}
