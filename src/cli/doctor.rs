//! `gridboard doctor`: what this installation and this machine have, and what is wrong.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{CliError, doctor_database, doctor_files, exit, output};
use crate::{
    base::{error::with_causes, human, program::version},
    corpus::cache_root,
    device::{self, Discovery, LibtorchCuda},
    launch::{self, ProbeError},
    report::{Cell, Column, Format, Table},
};

/// Check the installation: libtorch, devices, versions, and what is wrong
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
}

/// Findings and problems as they come up.
#[derive(Default)]
struct Findings {
    rows: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Findings {
    fn found(&mut self, what: &str, value: impl Into<String>) {
        self.rows.push((what.to_owned(), value.into()));
    }
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let mut findings = Findings::default();
    findings.found("gridboard", version());
    let discovery = device::discover();
    machine(&mut findings, &discovery);
    worker(&mut findings, &discovery);
    places(&mut findings, runs_dir);

    let mut rows: Vec<Vec<Cell>> =
        findings.rows.iter().map(|(what, value)| vec![Cell::from(what), Cell::from(value)]).collect();
    rows.extend(findings.problems.iter().map(|problem| vec![Cell::from("problem"), Cell::from(problem)]));
    let columns = ["item", "value"].map(Column::text).to_vec();
    output::table(&Table { title: None, columns, rows, notes: Vec::new() }, args.format)?;
    if findings.problems.is_empty() {
        output::note("no problem found");
        return Ok(exit::DONE);
    }
    output::note(&format!("{} found", human::counted(findings.problems.len(), "problem")));
    Ok(exit::ERROR)
}

fn machine(findings: &mut Findings, discovery: &Discovery) {
    findings.found("cores", discovery.cpu.cores.to_string());
    findings.found("memory free", human::bytes(discovery.cpu.memory_bytes));
    match &discovery.driver {
        None if discovery.problems.is_empty() => findings.found("CUDA driver", "none"),
        None => findings.found("CUDA driver", "unknown"),
        Some(driver) => {
            let cuda = driver.cuda.as_deref().unwrap_or("unknown");
            findings.found("CUDA driver", format!("{} (CUDA {cuda})", driver.version));
        }
    }
    for device in &discovery.cuda {
        let capability = device
            .compute_capability
            .map_or_else(|| "unknown".to_owned(), |(major, minor)| format!("{major}.{minor}"));
        let busy = match device.processes {
            Some(0) => String::new(),
            Some(count) => format!(", {count} other process(es) on it"),
            None => ", processes on it unknown".to_owned(),
        };
        findings.found(
            &format!("cuda:{}", device.index),
            format!(
                "{} ({}), compute capability {capability}, {} of {} free{busy}, {}",
                device.name,
                device.uuid,
                human::bytes(device.memory_free),
                human::bytes(device.memory_total),
                device.pci_bus_id
            ),
        );
    }
    findings.problems.extend(discovery.problems.iter().cloned());
}

fn worker(findings: &mut Findings, discovery: &Discovery) {
    let program = match launch::find_worker() {
        Ok(program) => program,
        Err(error) => {
            let hint = error.hint();
            findings.problems.push(format!("{error}, so only `command` trainers can be run: {hint}"));
            return;
        }
    };
    findings.found("worker", program.display().to_string());
    match launch::ask_worker(&program, "doctor") {
        Ok((facts, said)) if facts["works"].is_boolean() => {
            libtorch(findings, &facts);
            match serde_json::from_value(facts["cuda"].clone()) {
                Ok(facts) => cuda(findings, discovery, &facts, said.as_deref()),
                Err(_) => findings.problems.push(ProbeError::Language.to_string()),
            }
        }
        Ok(_) => findings.problems.push(ProbeError::Language.to_string()),
        Err(error) => findings.problems.push(with_causes(&error)),
    }
}

/// What the worker says of the library that it has loaded.
fn libtorch(findings: &mut Findings, facts: &Json) {
    let text = |value: &Json| value.as_str().map_or_else(|| "unknown".to_owned(), str::to_owned);
    let library = &facts["libtorch"];
    findings.found("libtorch", format!("{} ({})", text(&library["version"]), text(&library["library"])));
    let parts: Vec<&str> =
        ["mkldnn", "mkl", "openmp"].into_iter().filter(|part| library[*part] == json!(true)).collect();
    findings.found("libtorch parts", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") });
    if facts["works"] != json!(true) {
        findings.problems.push(format!("a small training step fails: {}", text(&facts["error"])));
    }
}

/// What libtorch has of CUDA, and whether the machine's devices can be used with it.
fn cuda(findings: &mut Findings, discovery: &Discovery, cuda: &LibtorchCuda, said: Option<&str>) {
    findings.found(
        "libtorch CUDA",
        match (cuda.built, cuda.available) {
            (false, _) => "not built in".to_owned(),
            (true, false) => format!("{}, no usable device", cuda.cuda()),
            (true, true) => {
                format!("{}, {} usable", cuda.cuda(), human::counted(device_count(cuda), "device"))
            }
        },
    );
    if cuda.available {
        findings.found("cuDNN", cuda.cudnn().unwrap_or_else(|| "none".to_owned()));
        if cuda.cudnn_version.is_none() {
            let problem =
                "cuDNN is not loaded, so convolutions on CUDA are slow: `scripts/setup.sh --cuda` brings it";
            findings.problems.push(problem.to_owned());
        }
    }
    if discovery.cuda.is_empty() {
        // No device, no problem: such a libtorch computes on the processor.
        return;
    }
    if let Some(obstacle) = cuda.obstacle(discovery.driver.as_ref(), said) {
        findings
            .problems
            .push(format!("built-in trainers cannot use the CUDA devices: {obstacle}; {}", obstacle.hint()));
        return;
    }
    findings.problems.extend(discovery.cuda.iter().filter_map(|device| cuda.too_old(device)));
}

fn device_count(cuda: &LibtorchCuda) -> usize {
    usize::try_from(cuda.devices).unwrap_or(0)
}

fn places(findings: &mut Findings, runs_dir: &Path) {
    match cache_root() {
        Ok(folder) => findings.found("corpus cache", folder.display().to_string()),
        Err(error) => findings.problems.push(error.to_string()),
    }
    let database = doctor_database::look(runs_dir);
    database.found.into_iter().for_each(|(what, value)| findings.found(what, value));
    findings.problems.extend(database.problems);
    let checks = [
        ("images checked", cache_root().ok().map(|root| doctor_files::cache(&root))),
        ("results checked", Some(doctor_files::runs(runs_dir))),
    ];
    for (what, checked) in checks {
        if let Some(checked) = checked {
            findings.found(what, checked.what);
            findings.problems.extend(checked.problems);
        }
    }
}
