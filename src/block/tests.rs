use super::*;
use crate::net::{Shape, Weights};
use crate::predict::Effort;
use crate::progress::Silent;

/// Rows whose second field is all there is to predict.
fn rows(count: u64) -> Vec<u8> {
    let values = (0..count).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50);
    values.flat_map(|value| format!("same,{value},end\n").into_bytes()).collect()
}

/// A network for `bytes` that nobody trained, and where it rests.
fn network(bytes: &[u8], resting: impl Fn(usize, usize) -> bool) -> Network {
    let alphabet: Vec<u8> = (0..=255).filter(|byte| bytes.contains(byte)).collect();
    let (fields, offsets) = (4, 8);
    let shape = Shape {
        width: 32,
        layers: 2,
        heads: 2,
        hidden: 64,
        window: 64,
        fields,
        offsets,
        alphabet,
        resting: Vec::new(),
    };
    let places = (0..shape.places()).map(|place| (place / usize::from(offsets), place % usize::from(offsets)));
    let resting = places.map(|(field, offset)| resting(field, offset)).collect();
    let mut weights = Weights::zero(&Shape { resting, ..shape });
    let values = |weights: &mut Vec<i8>| {
        weights.iter_mut().enumerate().for_each(|(place, weight)| *weight = (place * 7919 % 61) as i8 - 30);
    };
    for embedding in &mut weights.embeddings {
        embedding.multiplier = 200;
        values(&mut embedding.weights);
    }
    for layer in &mut weights.layers {
        let matrices =
            [&mut layer.query, &mut layer.key_value, &mut layer.attention_output, &mut layer.up, &mut layer.down];
        for matrix in matrices {
            matrix.multipliers.fill(3000);
            values(&mut matrix.weights);
        }
    }
    weights.output.multipliers.fill(3000);
    values(&mut weights.output.weights);
    Network::new(&weights, Instructions::Scalar)
}

/// Wants to know what the network says of every byte.
struct Curious;

impl Observer for Curious {
    const ASKS_ALWAYS: bool = true;

    fn decision(&mut self, _: Decision, _: u16, _: bool, _: &Evidence<'_>) {}

    fn byte(&mut self, _: usize) {}
}

#[test]
fn a_network_that_rests_gives_the_same_stream_on_one_thread_and_two_and_the_bytes_come_back() {
    let bytes = rows(600);
    let layout = Layout::detect(&bytes);
    let (tables, instructions) = (Tables { bits: 14, effort: Effort::Quick }, Instructions::Scalar);
    let alone = Coding { layout: &layout, tables, instructions, network: None };
    let mut lengths = Vec::new();
    for resting in [|_, _| false, |field, _| field != 1, |field, offset| field == 1 && offset < 2, |_, _| true] {
        let network = network(&bytes, resting);
        let coding = Coding { network: Some(&network), ..alone };
        let stream = coding.encode(&bytes, &Silent).unwrap();
        assert!(coding.decode(&stream, bytes.len(), &Silent, &mut Unobserved).unwrap() == bytes);
        assert!(coding.encode_and_check(&bytes, &Silent).unwrap().0 == stream);
        assert!(coding.encode_observed(&bytes, &Silent, &mut Curious).unwrap() == stream);
        lengths.push(stream.len());
    }
    let expected = alone.encode(&bytes, &Silent).unwrap().len();
    assert_eq!(expected, lengths[3], "a network that always rests says nothing");
    assert!(lengths[..3].iter().all(|length| *length != lengths[3]), "{lengths:?}: it says nothing at all");
}
