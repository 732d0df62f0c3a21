//! CSV in Apache Parquet with zstd: what tables are often kept in. Values come back, the file's bytes do not: quotes,
//! zeros at the end of decimals and the like are written as the library writes them.

use std::fs::File;
use std::io::{BufWriter, Seek};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_csv::reader::Format;
use arrow_csv::{ReaderBuilder, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Lines that show the types of the columns.
const SAMPLE: usize = 100_000;

/// Writes the table in `input` to `output`. Errors: it is no regular CSV with a head, or a value is not of its column's
/// type.
pub fn compress(input: &Path, output: &Path, level: i32) -> Result<()> {
    let mut file = File::open(input)?;
    let format = Format::default().with_header(true);
    let (schema, _) = format.infer_schema(&file, Some(SAMPLE)).context("it is not a CSV with a head")?;
    file.rewind()?;
    let schema = Arc::new(schema);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?)).build();
    let mut writer = ArrowWriter::try_new(File::create(output)?, Arc::clone(&schema), Some(properties))?;
    for batch in ReaderBuilder::new(schema).with_format(format).with_batch_size(1 << 16).build(file)? {
        writer.write(&batch.context("not every row fits the columns' types")?)?;
    }
    writer.close()?;
    Ok(())
}

/// Writes the table in `input` as CSV to `output`.
pub fn decompress(input: &Path, output: &Path) -> Result<()> {
    let mut writer = WriterBuilder::new().with_header(true).build(BufWriter::new(File::create(output)?));
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(input)?)?.build()? {
        writer.write(&batch?)?;
    }
    Ok(())
}
