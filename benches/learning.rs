//! How well a network knows a file after so many seconds of training.
//!
//! `cargo bench --bench learning -- FILE SECONDS [width=64] [layers=N] [heads=N] [hidden=N] [window=N] [threads=2] [seed=1] [bytes=N]
//! [device=cpu|cuda] [checkpoint=PATH] [recipe's fields…]` prints bits per byte over time as training sees it, then what the rounded
//! network reaches in the middle of the file, in floats and in integers as the archive decodes it, and how large its
//! weights are. Sizes other than those of all networks of the width come after it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use nncz::layout::Layout;
use nncz::net::{self, Distribution, Instructions, Network, Shape};
use nncz::plan::Plan;
use nncz::predict::Follower;
use nncz::train::{Budget, Recipe, TrainOptions, Training, Watch};
use nncz::{DEFAULT_LEVEL, Device, NetworkChoice, Phase, Progress};

/// Bytes in the middle of the file that the trained network is measured on.
const MIDDLE: usize = 1 << 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [file, seconds, settings @ ..] = &arguments[..] else {
        println!("learning: no file given, nothing measured");
        return Ok(());
    };
    let bytes = std::fs::read(file)?;
    let layout = Layout::detect(&bytes[..bytes.len().min(1 << 20)]);
    let (shape, options, budget) = settings_of(settings, &bytes, seconds.parse()?)?;
    let curve = Curve::new();
    let begin = Instant::now();
    let mut training = Training::new(&bytes, &layout, &shape, &budget, &options, &curve)?;
    training.run(&mut Watch::none(), &curve)?;
    let weights = training.weights()?;
    let (seen, _) = *curve.last.lock().map_err(|_| "poisoned")?;
    let seconds = begin.elapsed().as_secs_f64();
    let size = net::encode(&weights).len();
    let middle = bytes.len().min(MIDDLE);
    println!(
        "{file}: {} parameters, {:.0} bytes/s; {:.4} bits per byte of a sample with rounded weights, {:.4} of the middle {middle} bytes in integers; weights {size} bytes ({:.2} bits each)",
        shape.parameters(),
        seen as f64 / seconds,
        training.bits_per_byte()?,
        bits_per_byte_of_middle(&Network::new(&weights, Instructions::choose()?), &bytes, &layout, middle),
        8.0 * size as f64 / shape.parameters() as f64,
    );
    Ok(())
}

fn settings_of(
    settings: &[String],
    bytes: &[u8],
    seconds: f64,
) -> Result<(Shape, TrainOptions, Budget), Box<dyn std::error::Error>> {
    let mut recipe = Recipe::of(0);
    let planned = |width| {
        Plan::new(DEFAULT_LEVEL, NetworkChoice::Width(width), bytes).network.map(|network| network.shape).ok_or("empty")
    };
    let mut shape = planned(64)?;
    let mut options =
        TrainOptions { seed: 1, threads: 2, device: Device::Cpu, recipe: recipe.clone(), checkpoint: None };
    let mut budget = Budget { bytes: u64::MAX, time: Some(Duration::from_secs_f64(seconds)) };
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or("expected name=value")?;
        match name {
            "width" => shape = planned(value.parse()?)?,
            "layers" => shape.layers = value.parse()?,
            "heads" => shape.heads = value.parse()?,
            "hidden" => shape.hidden = value.parse()?,
            "window" => shape.window = value.parse()?,
            "threads" => options.threads = value.parse()?,
            "seed" => options.seed = value.parse()?,
            "device" => options.device = if value == "cuda" { Device::Cuda } else { Device::Cpu },
            "checkpoint" => options.checkpoint = Some(value.into()),
            "bytes" => budget.bytes = value.parse()?,
            "windows" => recipe.windows = value.parse()?,
            "sequences" => recipe.sequences = value.parse()?,
            "muon_rate" => recipe.muon_rate = value.parse()?,
            "adam_rate" => recipe.adam_rate = value.parse()?,
            "warm_up" => recipe.warm_up = value.parse()?,
            "decay" => recipe.decay = value.parse()?,
            "weight_decay" => recipe.weight_decay = value.parse()?,
            "rounding" => recipe.rounding = value.parse()?,
            "coarseness" => recipe.coarseness = value.parse()?,
            _ => return Err(format!("unknown setting {name}").into()),
        }
    }
    options.recipe = recipe;
    Ok((shape, options, budget))
}

/// What the integer network needs for the `length` bytes in the middle of `bytes`.
fn bits_per_byte_of_middle(network: &Network, bytes: &[u8], layout: &Layout, length: usize) -> f64 {
    let start = (bytes.len() - length) / 2;
    let mut follower = Follower::new(layout);
    (1..=start).for_each(|end| follower.advance(&bytes[..end]));
    let (mut session, mut prediction) = (network.session(), Distribution::uniform());
    let mut bits = 0.0;
    for i in start..start + length {
        let previous = (i > start).then(|| bytes[i - 1]);
        network.advance(&mut session, &follower.input(previous));
        network.predict(&mut session, &mut prediction);
        follower.advance(&bytes[..=i]);
        let mut node = 1;
        for place in (0..8).rev() {
            let bit = usize::from(bytes[i] >> place & 1);
            let odds = prediction.continuations(node).map(|weight| f64::from(weight.max(1)));
            bits -= (odds[bit] / (odds[0] + odds[1])).log2();
            node = 2 * node + bit;
        }
    }
    bits / length as f64
}

/// Prints where training stands, twenty times.
struct Curve {
    begin: Instant,
    last: Mutex<(u64, u32)>,
    thousandths: Mutex<u64>,
}

impl Curve {
    fn new() -> Self {
        Self { begin: Instant::now(), last: Mutex::new((0, 0)), thousandths: Mutex::new(0) }
    }
}

impl Progress for Curve {
    fn begin(&self, _: Phase, _: u64) {}

    fn advance(&self, amount: u64) {
        let (Ok(mut thousandths), Ok(last)) = (self.thousandths.lock(), self.last.lock()) else { return };
        let before = *thousandths;
        *thousandths += amount;
        if *thousandths / 50 != before / 50 {
            let seconds = self.begin.elapsed().as_secs_f64();
            println!("{seconds:8.1} s {:10} bytes {:7.3} bits per byte", last.0, f64::from(last.1) / 1000.0);
        }
    }

    fn training(&self, bytes: u64, millibits: u32) {
        if let Ok(mut last) = self.last.lock() {
            *last = (bytes, millibits);
        }
    }

    fn note(&self, text: &str) {
        println!("{text}");
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}
