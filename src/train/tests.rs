//! What a training run promises, on a real file: this crate's own lock file.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use candle_core::{Device as CandleDevice, Tensor};

use super::batch::Corpus;
use super::cpu::{CpuEngine, Simd};
use super::forward::Forward;
use super::mixed::{Heard, Shares};
use super::model::Model;
use super::parameters::Parameters;
use super::precision::Precision;
use super::random::Random;
use super::*;
use crate::ErrorKind;
use crate::net::{Distribution, Input, Instructions, Network};
use crate::predict::Decision;
use crate::progress::Silent;

pub(super) const FILE: &[u8] = include_bytes!("../../Cargo.lock");

/// Bytes of a file so long that steps are small, but not finer than integer weights allow.
const LENGTH: f64 = 1e6;

pub(super) fn shape(width: u16, layers: u8, heads: u8, window: u16) -> Shape {
    let mut alphabet = FILE.to_vec();
    alphabet.sort_unstable();
    alphabet.dedup();
    Shape { width, layers, heads, hidden: 2 * width, window, fields: 3, offsets: 9, alphabet, resting: Vec::new() }
}

/// A batch whose structural inputs are random too, so that every table learns.
pub(super) fn batch(shape: &Shape, sequences: usize, length: usize, seed: u64) -> Batch {
    let mut random = Random::new(seed);
    let mut batch = Corpus::new(FILE, &Layout::Plain, shape).draw(&mut random, sequences, length, Shares::START);
    for (rows, count) in batch.inputs.iter_mut().zip(shape.input_rows()).skip(1) {
        rows.iter_mut().for_each(|row| *row = random.below(count) as u32);
    }
    batch
}

/// The same with what might be said of its bytes: at every fifth nothing, else a wrong byte or half, then the bits.
fn advised(batch: Batch, shape: &Shape, seed: u64) -> Batch {
    let mut random = Random::new(seed);
    let mut advice = Advice::default();
    for (place, &target) in batch.targets.iter().enumerate() {
        let byte = shape.alphabet[target as usize];
        let mut say = |decision| advice.decision(decision, byte, random.below(3000) as i32 - 1500);
        match place % 5 {
            0 => {}
            1 => say(Decision::Byte(byte)),
            2 => [Decision::Byte(byte ^ 1), Decision::Half(byte)].into_iter().for_each(say),
            3 => [Decision::Half(byte ^ 16)].into_iter().chain((0..8).map(Decision::Bit)).for_each(say),
            _ => (0..8).map(Decision::Bit).for_each(say),
        }
        advice.end_byte();
    }
    Batch { heard: Some(Heard { advice, shares: Shares::START }), ..batch }
}

/// That each byte of the file is the one before it, as likely as not.
fn advice_on_all() -> Advice {
    let mut advice = Advice::default();
    for (place, &byte) in FILE.iter().enumerate() {
        advice.decision(Decision::Byte(FILE[place.saturating_sub(1)]), byte, 0);
        advice.end_byte();
    }
    advice
}

fn options(seed: u64, threads: usize) -> TrainOptions {
    TrainOptions { seed, threads, device: Device::Cpu, recipe: Recipe::of(0), checkpoint: None }
}

#[test]
fn every_tensor_has_a_gradient() {
    let shape = shape(16, 2, 2, 16);
    let parameters = Parameters::new(&shape);
    let values = parameters.initial(&mut Random::new(1));
    let mut gradient = vec![0.0; parameters.len()];
    let mut model = Model::new(&shape, CandleDevice::Cpu);
    model.gradient(&values, &batch(&shape, 3, 40, 2), &mut gradient).unwrap();
    for tensor in &parameters.tensors {
        assert!(gradient[tensor.range.clone()].iter().any(|&g| g != 0.0), "{} has no gradient", tensor.name);
    }
}

/// In 64 bits, so that differences of nearly equal losses mean something; a few elements of every tensor.
#[test]
fn gradients_agree_with_finite_differences() {
    let shape = shape(16, 2, 2, 8);
    let parameters = Parameters::new(&shape);
    let mut random = Random::new(5);
    let values: Vec<f64> = parameters.initial(&mut random).iter().map(|&value| f64::from(value) * 1.5).collect();
    let batch = batch(&shape, 2, 20, 3);
    let model = Model::new(&shape, CandleDevice::Cpu);
    let variables = |values: &[f64]| -> Vec<candle_core::Var> {
        let tensors = parameters.tensors.iter();
        let device = &CandleDevice::Cpu;
        tensors
            .map(|t| candle_core::Var::from_slice(&values[t.range.clone()], (t.rows, t.columns), device).unwrap())
            .collect()
    };
    let loss = |variables: &[candle_core::Var]| {
        let tensors: Vec<Tensor> = variables.iter().map(|variable| variable.as_tensor().clone()).collect();
        model.loss(&model.logits(&tensors, &batch).unwrap(), &batch).unwrap()
    };
    let start = variables(&values);
    let gradients = loss(&start).backward().unwrap();
    for (tensor, variable) in parameters.tensors.iter().zip(&start) {
        let gradient = gradients.get(variable).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for _ in 0..6 {
            let element = random.below(gradient.len());
            let at = |delta: f64| {
                let mut moved = values.clone();
                moved[tensor.range.start + element] += delta;
                loss(&variables(&moved)).to_scalar::<f64>().unwrap()
            };
            let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
            let tolerance = 1e-7 + 1e-4 * difference.abs();
            assert!(
                (difference - gradient[element]).abs() < tolerance,
                "{} {element}: {difference} but the gradient is {}",
                tensor.name,
                gradient[element]
            );
        }
    }
}

/// Written apart from each other: batched operations with a band of biases, and a position at a time with a cache.
#[test]
fn the_model_agrees_with_a_network_stepped_position_by_position() {
    let shape = shape(32, 2, 4, 12);
    let parameters = Parameters::new(&shape);
    let values: Vec<f32> = parameters.initial(&mut Random::new(8)).iter().map(|value| value * 2.0).collect();
    let batch = batch(&shape, 2, 50, 4);
    let batched = Engine::loss(&mut Model::new(&shape, CandleDevice::Cpu), &values, &batch).unwrap();
    let stepped = Forward::new(&shape, &parameters, &values).loss(&batch);
    assert!((batched - stepped).abs() < 1e-4, "{batched} {stepped}");
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let shape = shape(16, 1, 1, 16);
    let budget = Budget { bytes: 6000, time: None };
    let run =
        |seed| train(FILE, &Layout::Plain, &shape, &budget, &options(seed, 1), &mut Watch::none(), &Silent).unwrap();
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

#[test]
fn the_loss_falls_on_a_real_file() {
    let shape = shape(32, 1, 2, 32);
    let options = options(1, 1);
    let budget = Budget { bytes: 150_000, time: None };
    let mut training = Training::new(FILE, &Layout::Plain, &shape, &budget, &options, &Silent).unwrap();
    let sample = Corpus::new(FILE, &Layout::Plain, &shape).spread(8, 128);
    let before = training.engine.loss(&training.values, &sample).unwrap();
    training.run(&mut Watch::none(), &Silent).unwrap();
    let after = training.engine.loss(&training.values, &sample).unwrap();
    assert!(before > 3.5 && after < 2.4, "{before} nats a byte before, {after} after");
}

/// Asks to stop after so many steps.
struct StopAfter(AtomicU32);

impl Progress for StopAfter {
    fn training(&self, _: u64, _: u32) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
    fn warning(&self, text: &str) {
        panic!("{text}");
    }
    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn training_stops_when_asked_to() {
    let budget = Budget { bytes: u64::MAX, time: None };
    let stop = StopAfter(AtomicU32::new(2));
    let error = train(FILE, &Layout::Plain, &shape(16, 1, 1, 16), &budget, &options(1, 1), &mut Watch::none(), &stop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn a_run_continued_from_its_checkpoint_gives_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(16, 1, 1, 16);
    let budget = Budget { bytes: 9000, time: None };
    let run = |options: &TrainOptions, progress: &dyn Progress| {
        let mut judge = |_: &Weights, _: &Wanted| Ok(Some(advice_on_all()));
        let mut watch = Watch::none().with_probe(40, &mut judge);
        train(FILE, &Layout::Plain, &shape, &budget, options, &mut watch, progress)
    };
    let whole = run(&options(1, 2), &Silent).unwrap();
    let options = TrainOptions { checkpoint: Some(folder.path().join("state")), ..options(1, 2) };
    // Interrupted at several places, before and after advice came and rounding began.
    for steps in [3, 9, 10] {
        run(&options, &StopAfter(AtomicU32::new(steps))).unwrap_err();
    }
    assert_eq!(run(&options, &Silent).unwrap(), whole);
}

#[test]
fn training_ends_when_its_time_is_up() {
    let budget = Budget { bytes: u64::MAX, time: Some(Duration::from_millis(300)) };
    let begin = Instant::now();
    train(FILE, &Layout::Plain, &shape(16, 1, 1, 16), &budget, &options(1, 1), &mut Watch::none(), &Silent).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_shape_that_does_not_fit_the_file_is_refused() {
    let mut shape = shape(16, 1, 1, 16);
    shape.alphabet.pop();
    let budget = Budget { bytes: 1, time: None };
    let error = train(FILE, &Layout::Plain, &shape, &budget, &options(1, 1), &mut Watch::none(), &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// The hand-written passes against candle's, on every instruction set and uneven sizes, with contexts' advice and without.
#[test]
fn the_cpu_engine_agrees_with_the_model() {
    for (width, layers, heads, window, length, threads) in
        [(16, 1, 1, 16, 5, 1), (32, 2, 2, 16, 41, 2), (64, 2, 4, 32, 77, 3), (96, 1, 3, 48, 96, 1)]
    {
        let shape = shape(width, layers, heads, window);
        let parameters = Parameters::new(&shape);
        let values: Vec<f32> = parameters.initial(&mut Random::new(8)).iter().map(|value| value * 1.5).collect();
        let alone = batch(&shape, 3, length, 4);
        let batch = if heads == 2 { advised(alone, &shape, 5) } else { alone };
        let mut expected = vec![0.0; parameters.len()];
        let (expected_loss, expected_shares) =
            Model::new(&shape, CandleDevice::Cpu).gradient(&values, &batch, &mut expected).unwrap();
        for simd in Simd::available() {
            let of_loss = if simd.multiplies_pairs() { 2e-3 } else { 1e-5 };
            let mut engine = CpuEngine::new(&shape, threads, simd);
            let mut gradient = vec![0.0; parameters.len()];
            // Twice: nothing of one step may be left in the next.
            for _ in 0..2 {
                let (loss, shares) = engine.gradient(&values, &batch, &mut gradient).unwrap();
                assert!((shares.network - expected_shares.network).abs() < 2e-3, "{shares:?} {expected_shares:?}");
                assert!((shares.contexts - expected_shares.contexts).abs() < 2e-3, "{shares:?} {expected_shares:?}");
                assert!((loss - expected_loss).abs() < of_loss * expected_loss, "{simd:?}: {loss} for {expected_loss}");
            }
            for tensor in &parameters.tensors {
                let (got, expected) = (&gradient[tensor.range.clone()], &expected[tensor.range.clone()]);
                if simd.multiplies_pairs() {
                    // Eight bits are left of a factor, and single hidden units may be at rest where they were not.
                    let error = distance(got, expected) / distance(expected, &vec![0.0; expected.len()]);
                    assert!(error < 0.05, "{simd:?} {}: off by {error}", tensor.name);
                    continue;
                }
                let largest = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
                    let tolerance = 1e-4 * largest + 1e-4 * expected.abs();
                    assert!((got - expected).abs() <= tolerance, "{simd:?} {} {i}: {got} {expected}", tensor.name);
                }
            }
        }
    }
}

fn distance(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| (left - right).powi(2)).sum::<f32>().sqrt()
}

/// The integer network that the archive carries, stepped as the decoder steps it, against the floats it came from.
#[test]
fn the_integer_network_loses_less_than_a_fiftieth_of_a_bit() {
    let (sample, shape, mut training) = trained(Recipe { coarseness: 0.1, ..Recipe::of(0) });
    let whole = Corpus::new(sample, &Layout::Plain, &shape).spread(1, sample.len());
    let floats = training.engine.loss(&training.values, &whole).unwrap() * std::f64::consts::LOG2_E;
    let integers = integer_bits_per_byte(&training.weights().unwrap(), sample);
    assert!(floats < 2.0 && integers < floats + 0.02, "{floats} bits per byte in floats, {integers} in integers");
}

/// A long training lets queries and keys grow, so that products of the largest are far beyond the units of a score.
#[test]
fn sharp_attention_survives_rounding() {
    let (sample, shape, mut training) = trained(Recipe { weight_decay: 0.0, coarseness: 0.01, ..Recipe::of(0) });
    let parameters = Parameters::new(&shape);
    for layer in &parameters.layers {
        for tensor in [layer.query, layer.key] {
            training.values[parameters.tensors[tensor].range.clone()].iter_mut().for_each(|value| *value *= 8.0);
        }
    }
    let whole = Corpus::new(sample, &Layout::Plain, &shape).spread(1, sample.len());
    let floats = Forward::new(&shape, &parameters, &training.values).loss(&whole) * std::f64::consts::LOG2_E;
    let integers = integer_bits_per_byte(&training.weights().unwrap(), sample);
    assert!((integers - floats).abs() < 0.1, "{floats} bits per byte in floats, {integers} in integers");
}

/// What theory promises of its steps: rounding adds half a nat for each weight to what the whole file takes.
#[test]
fn rounding_costs_about_half_a_nat_for_each_weight() {
    let (sample, shape, mut training) = trained(Recipe { rounding: 0.0, ..Recipe::of(0) });
    let parameters = Parameters::new(&shape);
    let corpus = Corpus::new(sample, &Layout::Plain, &shape);
    let mut precision = Precision::new(&parameters, &shape, &corpus, LENGTH);
    let mut gradient = vec![0.0; parameters.len()];
    for seed in 0..100 {
        let batch = corpus.draw(&mut Random::new(seed), 8, 96, Shares::START);
        training.engine.gradient(&training.values, &batch, &mut gradient).unwrap();
        precision.observe(&parameters, &gradient, batch.positions());
    }
    let steps = precision.steps(&parameters, &training.values, 1.0);
    let mut rounded = training.values.clone();
    quantise::round_parameters(&parameters, &training.values, &mut rounded, &steps);
    let whole = corpus.spread(1, sample.len());
    let mut loss = |values: &[f32]| training.engine.loss(values, &whole).unwrap();
    let cost = (loss(&rounded) - loss(&training.values)) * LENGTH / precision.sent() as f64;
    assert!((0.25..1.0).contains(&cost), "{cost} nats for each weight of a file of {LENGTH} bytes");
}

/// A small network that knows the beginning of the file, as plain text, fairly well.
fn trained(recipe: Recipe) -> (&'static [u8], Shape, Training<'static>) {
    let (sample, shape) = (&FILE[..24_000], shape(32, 2, 2, 32));
    let budget = Budget { bytes: 400_000, time: None };
    let options = TrainOptions { recipe, ..options(1, 2) };
    let mut training = Training::new(sample, &Layout::Plain, &shape, &budget, &options, &Silent).unwrap();
    training.run(&mut Watch::none(), &Silent).unwrap();
    (sample, shape, training)
}

/// What the integer network needs for `sample` as plain text.
fn integer_bits_per_byte(weights: &Weights, sample: &[u8]) -> f64 {
    let network = Network::new(weights, Instructions::Scalar);
    let (mut session, mut prediction) = (network.session(), Distribution::uniform());
    let mut bits = 0.0;
    for (i, &byte) in sample.iter().enumerate() {
        let previous = i.checked_sub(1).map(|before| sample[before]);
        network.advance(&mut session, &Input { previous, ..Input::default() });
        network.predict(&mut session, &mut prediction);
        let mut node = 1;
        for place in (0..8).rev() {
            let bit = usize::from(byte >> place & 1);
            let odds = prediction.continuations(node).map(|weight| f64::from(weight.max(1)));
            bits -= (odds[bit] / (odds[0] + odds[1])).log2();
            node = 2 * node + bit;
        }
    }
    bits / sample.len() as f64
}
