//! Compresses standard input to standard output, or with `-d` decompresses it:
//!
//! ```sh
//! cargo run --release --example streams < examples/trips.csv > trips.nncz
//! cargo run --release --example streams -- -d < trips.nncz | cmp - examples/trips.csv
//! ```

use std::io::{stdin, stdout};

use nncz::{Options, Silent, compress_stream, decompress_stream};

fn main() -> nncz::Result<()> {
    let options = Options { level: 3, ..Options::default() };
    if std::env::args().any(|argument| argument == "-d") {
        return decompress_stream(stdin().lock(), stdout().lock(), &options.resources, &Silent);
    }
    let summary = compress_stream(stdin().lock(), stdout().lock(), &options, &Silent)?;
    eprintln!("{} → {} bytes", summary.original, summary.archive);
    Ok(())
}
