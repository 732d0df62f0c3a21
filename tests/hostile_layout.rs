//! A header may say anything about the columns of a table: the decoder follows it without a panic.

use nncz::container::{BlockHeader, Header, Method, Writer};
use nncz::layout::{Clue, Column, Format, Layout, Mark, Relation, Schema, Source};
use nncz::predict::{Effort, Tables};
use nncz::{ErrorKind, Parity, Resources, Silent, decompress};
use proptest::prelude::*;

fn source() -> impl Strategy<Value = Source> {
    (any::<bool>(), prop_oneof![0u16..6, any::<u16>()]).prop_map(|(above, field)| Source { above, field })
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Text),
        (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(whole, least, most)| Format::Number { whole, least, most }),
        "(\\PC{0,30}|Y{0,5}-M{1,3}-D{1,2}( [hms:]{0,12})?)".prop_map(|pattern| Format::Time { pattern }),
        Just(Format::Clock),
    ]
}

fn relation() -> impl Strategy<Value = Relation> {
    let factor = prop_oneof![-5_000_000i64..5_000_000, any::<i64>()];
    let clue = prop::option::of(clue());
    (any::<i64>(), prop::collection::vec((factor, source()), 0..5), clue).prop_map(|(constant, terms, clue)| Relation {
        constant,
        terms,
        clue,
        held: 0,
    })
}

fn clue() -> impl Strategy<Value = Clue> {
    prop_oneof![
        source().prop_map(Clue::Text),
        (source(), any::<u8>()).prop_map(|(source, shift)| Clue::Number(source, shift)),
        (source(), source(), any::<u8>()).prop_map(|(first, second, bits)| Clue::Difference([first, second], bits)),
    ]
}

fn column() -> impl Strategy<Value = Column> {
    let relations = prop::collection::vec(relation(), 0..4);
    let clues = || prop::collection::vec(clue(), 0..5);
    let corrections = prop::collection::vec(clues(), 0..5);
    let alternatives = prop::collection::vec(relation(), 0..10);
    (format(), any::<u8>(), clues(), clues(), any::<bool>(), relations, corrections, alternatives).prop_map(
        |(format, lead, clues, further_clues, clues_to_rests, relations, corrections, alternatives)| Column {
            format,
            lead,
            clues,
            further_clues,
            clues_to_rests,
            relations,
            corrections,
            alternatives,
        },
    )
}

fn schema() -> impl Strategy<Value = Schema> {
    let mark = prop_oneof![
        any::<u32>().prop_map(Mark::Heading),
        (0..4u32).prop_map(Mark::Width),
        any::<u32>().prop_map(Mark::Shape)
    ];
    let columns = prop::collection::vec(column(), 0..6);
    (mark, columns).prop_map(|(mark, columns)| Schema { mark, columns })
}

fn layout() -> impl Strategy<Value = Layout> {
    prop_oneof![
        any::<u16>().prop_map(|length| Layout::Records { length }),
        (any::<u8>(), any::<Option<u8>>(), prop::collection::vec(schema(), 0..4))
            .prop_map(|(delimiter, quote, schemas)| Layout::Delimited { delimiter, quote, schemas }),
        prop::collection::vec(schema(), 0..4).prop_map(|schemas| Layout::Delimited {
            delimiter: b',',
            quote: None,
            schemas
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_layout_is_followed_without_a_panic(
        layout in layout(),
        length in 0u64..4000,
        payload in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let header = Header { original: length.max(1), blocks: 1, level: 1, network: false, tables: Tables { bits: 10, effort: Effort::Normal }, layout };
        let mut archive = Vec::new();
        let mut writer = Writer::new(&mut archive, &header, Parity::None).unwrap();
        writer.block(&BlockHeader { newlines: 0, method: Method::Coded { length: payload.len() as u64 }, crc: 0 }, &payload).unwrap();
        writer.finish().unwrap();
        let outcome = decompress(&archive, &Resources::default(), &mut std::io::sink(), &Silent);
        let kind = outcome.err().map(|error| error.kind());
        prop_assert!(matches!(kind, None | Some(ErrorKind::Damaged | ErrorKind::Limit)), "{kind:?}");
    }
}
