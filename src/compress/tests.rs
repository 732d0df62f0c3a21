use super::*;
use crate::options::NetworkChoice;
use crate::predict::Effort;
use crate::progress::Silent;

fn options() -> Options {
    Options { level: 1, network: NetworkChoice::None, ..Options::default() }
}

/// Tables much larger than the archive of so many zeros may ask for.
fn job(source: &[u8]) -> Job<'_> {
    let (job, _) = Job::new(source, &options(), &Silent).unwrap();
    Job { tables: Tables { bits: 25, effort: Effort::Quick }, ..job }
}

#[test]
fn an_archive_shorter_than_was_expected_has_tables_that_it_may_ask_for() {
    let source = vec![0; 130_000];
    let mut job = job(&source);
    let memory = Predictor::memory(job.tables, source.len());
    let mut archive = Vec::new();
    let length = job.write(&options(), Chosen::default(), &mut archive).unwrap().archive;
    assert_eq!(length, archive.len() as u64);
    assert!(memory > limits::decoder_memory(length), "{memory} bytes are no test for {length}");
    let mut restored = Vec::new();
    crate::decompress(&archive, &Resources::default(), &mut restored, &Silent).unwrap();
    assert!(restored == source);
}

#[test]
fn long_blocks_of_nearly_nothing_are_cut() {
    let source = vec![0; 64 << 20];
    let mut job = job(&source);
    job.blocks = 1;
    job.fit_tables(1000);
    assert_eq!(job.blocks, 2);
    let memory = Predictor::memory(job.tables, job.longest());
    assert!(memory <= limits::decoder_memory(1000), "{memory}");
}

#[test]
fn a_block_is_decoded_while_it_is_coded_only_in_the_memory_allowed() {
    let source = vec![0; 2 << 20];
    let mut job = job(&source);
    let block = Predictor::memory(job.tables, source.len()) + Predictor::FIXED_MEMORY;
    for (memory, threads) in [(2 * block - 1, 1), (3 * block, 2)] {
        job.threads = NonZeroUsize::new(5).unwrap();
        job.expected = 0;
        let resources = Resources { memory, ..Resources::default() };
        estimate::fit_memory(&mut job, None, &Options { resources, ..options() }).unwrap();
        assert_eq!((job.threads.get(), job.is_pipelined(job.blocks)), (threads, threads == 2), "{memory} bytes");
    }
}

#[test]
fn nothing_of_a_short_archive_is_passed_on() {
    for (least, expected) in [(0, "abcdef"), (6, "abcdef"), (7, "")] {
        let mut sink = Vec::new();
        let mut held = Held::new(&mut sink, least);
        held.write_all(b"abc").unwrap();
        held.write_all(b"def").unwrap();
        held.flush().unwrap();
        assert_eq!(held.is_open(), !expected.is_empty());
        assert_eq!(sink, expected.as_bytes());
    }
}
