//! Where the time of one training step goes, for each of the paper's 27 networks, against what the machine can do.
//!
//! `cargo bench --bench profile` prints Markdown; behind `--` come the names of networks (all), `--bf16`, and `--json` for one
//! JSON object a line, which `scripts/bench.sh --only profile` makes `benches/PROFILE.md` of. `GRIDBOARD_BENCH_THREADS` sets
//! the threads (2).
//!
//! Stages and limits are measured in processor time of the threads, so that another process on the machine costs accuracy
//! only through the caches and the memory.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

#[path = "common/grid.rs"]
mod grid;

use std::time::Instant;

use gridboard::kernels::{
    Cost, Execution, InstructionSet, Lap, Limits, Precision, Shape, Stage, cost, limits,
};

/// Steps before the measurement: caches, pages and clocks are warm then.
const WARM: usize = 1;
/// Steps that are measured, or fewer where they take longer than this many seconds in all.
const MEASURED: usize = 8;
const SECONDS: f64 = 2.0;
/// Stages under this share of a step are told as one.
const LEAST_SHARE: f64 = 0.01;
/// A stage that reaches this share of a limit is bound by it.
const BOUND: f64 = 0.6;

fn main() {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let json = arguments.iter().any(|word| word == "--json");
    let precision =
        if arguments.iter().any(|word| word == "--bf16") { Precision::Bf16 } else { Precision::Fp32 };
    let names: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let unknown = names.iter().find(|name| !grid::shapes().any(|shape| grid::name(shape) == ***name));
    if let Some(name) = unknown {
        eprintln!("error: no network `{name}` among the 27, as in 2-conv-64-nodes-1-dense");
        std::process::exit(2);
    }
    let limits = limits(InstructionSet::best(), grid::threads());
    if json {
        println!(
            "{}",
            serde_json::json!({
                "threads": grid::threads(),
                "instructions": InstructionSet::best().as_str(),
                "flops": limits.flops,
                "bf16_flops": limits.bf16_flops,
                "bytes": limits.bytes,
            })
        );
    } else {
        println!(
            "{} threads, {}: {:.0} GFLOP/s in fp32, {:.1} GB/s\n",
            grid::threads(),
            InstructionSet::best().as_str(),
            limits.flops / 1e9,
            limits.bytes / 1e9
        );
    }
    for shape in grid::shapes() {
        if names.is_empty() || names.iter().any(|name| **name == grid::name(shape)) {
            let step = measure(shape, precision);
            if json {
                println!("{}", step.json(&limits));
            } else {
                println!("{}", step.markdown(&limits));
            }
        }
    }
}

/// One step of a network.
struct Step {
    name: String,
    precision: Precision,
    /// Wall time, seconds; the best.
    wall: f64,
    parts: Vec<Part>,
}

/// One stage of one layer.
struct Part {
    what: String,
    stage: Stage,
    /// Processor time over the number of threads, seconds.
    seconds: f64,
    cost: Cost,
}

fn measure(of: (usize, usize, usize), precision: Precision) -> Step {
    let (mut network, execution) = grid::network(of, precision);
    let (images, gradient) = grid::batch();
    let slices: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    let mut step = || {
        network.forward(&slices);
        network.backward(&gradient, 1e-5);
    };
    (0..WARM).for_each(|_| step());
    network.measure(true);
    let (mut wall, mut steps, begun) = (f64::INFINITY, 0, Instant::now());
    while steps < 3 || (steps < MEASURED && begun.elapsed().as_secs_f64() < SECONDS) {
        let begun = Instant::now();
        network.forward(&slices);
        network.backward(&gradient, 1e-5);
        wall = wall.min(begun.elapsed().as_secs_f64());
        steps += 1;
    }
    let laps = network.laps();
    let parts = parts(&laps, network.shape(), execution, steps as f64);
    Step { name: grid::name(of), precision, wall, parts }
}

/// The laps of some steps as the parts of one, in the order of a step.
fn parts(laps: &[Lap], shape: Shape, execution: Execution, steps: f64) -> Vec<Part> {
    let winners =
        |layer: usize| laps.iter().filter(|lap| lap.layer == layer).map(|lap| lap.items).sum::<u64>();
    let mut sorted: Vec<&Lap> = laps.iter().collect();
    // Backwards the last layer comes first.
    let backwards = |stage: Stage| stage >= Stage::DenseBackward && stage < Stage::Adam;
    sorted.sort_by_key(|lap| {
        let back = backwards(lap.stage);
        let after = lap.stage >= Stage::Adam;
        (after, back, if back { usize::MAX - lap.layer } else { lap.layer }, lap.stage)
    });
    sorted
        .into_iter()
        .map(|lap| Part {
            what: what(lap, shape),
            stage: lap.stage,
            seconds: lap.seconds / steps / execution.threads as f64,
            cost: cost(shape, execution, lap, winners(lap.layer) as f64 / steps),
        })
        .collect()
}

fn what(lap: &Lap, shape: Shape) -> String {
    let stage = match lap.stage {
        Stage::First => "convolution, pooling, ReLU",
        Stage::Gather => "input tiles transformed",
        Stage::Products => "tiles x weights",
        Stage::Emit => "transformed back, pooling, ReLU",
        Stage::Dense => "forwards",
        Stage::DenseBackward => "backwards and Adam",
        Stage::WinnerLists => "list of winners",
        Stage::Weights => "gradient of weights",
        Stage::GatherBackward => "gradient tiles transformed",
        Stage::ProductsBackward => "gradient tiles x weights",
        Stage::EmitBackward => "gradient transformed back",
        Stage::FirstBackward => "gradient of weights",
        Stage::Adam => "Adam",
        Stage::Transform => "weights transformed",
    };
    if lap.layer < shape.conv_layers {
        format!("block {}: {stage}", lap.layer + 1)
    } else if lap.layer < shape.conv_layers + shape.dense_layers {
        format!("dense {}: {stage}", lap.layer - shape.conv_layers + 1)
    } else {
        format!("output: {stage}")
    }
}

impl Part {
    /// Shares of the machine's arithmetic and of its bandwidth.
    fn shares(&self, limits: &Limits, precision: Precision) -> (f64, f64) {
        let halves = matches!(self.stage, Stage::Products | Stage::ProductsBackward | Stage::Weights);
        let flops = match (precision, halves, limits.bf16_flops) {
            (Precision::Bf16, true, Some(flops)) => flops,
            _ => limits.flops,
        };
        (self.cost.executed_flops / self.seconds / flops, self.cost.bytes / self.seconds / limits.bytes)
    }

    fn bound(&self, limits: &Limits, precision: Precision) -> &'static str {
        let (flops, bytes) = self.shares(limits, precision);
        match (flops >= bytes, flops.max(bytes) >= BOUND) {
            (true, true) => "arithmetic",
            (false, true) => "memory",
            (true, false) => "neither: loads, shuffles, latency",
            (false, false) => "neither: caches, latency",
        }
    }
}

impl Step {
    fn busy(&self) -> f64 {
        self.parts.iter().map(|part| part.seconds).sum()
    }

    fn markdown(&self, limits: &Limits) -> String {
        let busy = self.busy();
        let mut text = format!(
            "### {}{}\n\n{:.1} ms a step: {:.1} ms in the stages, the rest waiting for the other thread or the machine.\n\n\
             | part | ms | % | GFLOP stood for | executed | GFLOP/s | % of peak | GB/s | % of bandwidth | bound by |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
            self.name,
            if self.precision == Precision::Bf16 { ", bf16" } else { "" },
            self.wall * 1e3,
            busy * 1e3,
        );
        let small: f64 =
            self.parts.iter().filter(|part| part.seconds < LEAST_SHARE * busy).map(|part| part.seconds).sum();
        for part in self.parts.iter().filter(|part| part.seconds >= LEAST_SHARE * busy) {
            let (flops, bytes) = part.shares(limits, self.precision);
            let Cost { dense_flops, executed_flops, bytes: moved } = part.cost;
            let or_dash = |value: f64, text: String| if value > 0.0 { text } else { "-".to_owned() };
            text += &format!(
                "| {} | {:.1} | {:.0} | {} | {} | {} | {} | {} | {} | {} |\n",
                part.what,
                part.seconds * 1e3,
                part.seconds / busy * 100.0,
                or_dash(dense_flops, format!("{:.2}", dense_flops / 1e9)),
                or_dash(executed_flops, format!("{:.2}", executed_flops / 1e9)),
                or_dash(executed_flops, format!("{:.0}", executed_flops / part.seconds / 1e9)),
                or_dash(executed_flops, format!("{:.0}", flops * 100.0)),
                or_dash(moved, format!("{:.1}", moved / part.seconds / 1e9)),
                or_dash(moved, format!("{:.0}", bytes * 100.0)),
                part.bound(limits, self.precision),
            );
        }
        if small > 0.0 {
            text += &format!(
                "| everything under 1 % | {:.1} | {:.0} | | | | | | | |\n",
                small * 1e3,
                small / busy * 100.0
            );
        }
        text
    }

    fn json(&self, limits: &Limits) -> String {
        let sum = |of: &dyn Fn(&Part) -> f64| self.parts.iter().map(of).sum::<f64>();
        serde_json::json!({
            "name": self.name,
            "wall": self.wall,
            "busy": self.busy(),
            "dense_flops": sum(&|part| part.cost.dense_flops),
            "executed_flops": sum(&|part| part.cost.executed_flops),
            "bytes": sum(&|part| part.cost.bytes),
            // Least time by arithmetic or memory, stage by stage.
            "least": sum(&|part| {
                let (flops, bytes) = part.shares(limits, self.precision);
                part.seconds * flops.max(bytes)
            }),
            "markdown": self.markdown(limits),
        })
        .to_string()
    }
}
