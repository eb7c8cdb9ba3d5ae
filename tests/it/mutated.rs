//! Files of every kind that a reader reads, mutated: every command ends in a sentence, never in a panic.

use std::{fs, path::PathBuf};

use crate::support::{Project, Ran};

const SPEC: &str = "
experiment: mutated
model: {family: command, run: [sh, -c, 'printf \"image,label,predicted,probability_0,probability_1\\na,0,0,0.9,0.1\\nb,1,1,0.2,0.8\\n\" > \"$GRIDBOARD_RUN_DIR/predictions.csv\"; exec {trainer} 0.{x}']}
grid: {x: [1, 2]}
schedule: {devices: 'cpu:2'}
";

/// Numbers that follow from a seed.
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: usize) -> usize {
        // SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below.max(1) as u64).expect("below a usize")
    }
}

/// The bytes with something done to them.
fn mutated(bytes: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=draws.next(4) {
        let place = draws.next(bytes.len());
        match draws.next(6) {
            0 if !bytes.is_empty() => bytes[place] ^= 1 << draws.next(8),
            1 if !bytes.is_empty() => bytes[place] = [0, 0xff, b'"', b'{', b'9', b'-'][draws.next(6)],
            2 => bytes.truncate(place),
            3 => {
                let piece: Vec<u8> = bytes[place..].iter().take(1 + draws.next(40)).copied().collect();
                bytes.splice(place..place, piece);
            }
            4 => {
                let end = bytes.len().min(place + 1 + draws.next(40));
                bytes.drain(place..end);
            }
            _ => bytes.splice(place..place, *b"1e999").for_each(drop),
        }
    }
    bytes
}

#[track_caller]
fn ends_in_a_sentence(ran: &Ran, what: &str) {
    assert!(matches!(ran.code, Some(0..=4)), "{what}: {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{what}: {}", ran.stderr);
    if !matches!(ran.code, Some(0 | 3 | 4)) {
        // `doctor` lists what it finds.
        assert!(ran.stderr.contains("error: ") || !ran.stdout.is_empty(), "{what}: {}", ran.stderr);
    }
}

#[test]
fn no_mutated_file_makes_a_reader_panic() {
    let project = Project::new();
    let trainer = concat!("python3 ", env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    project.write("spec.yaml", &SPEC.replace("{trainer}", trainer));
    project.run(&["run", "spec.yaml"]).expect(0);
    let folder = project.path("runs/mutated");
    let events = fs::read_dir(folder.join("x-1/validation")).expect("the folder").flatten();
    let events: Vec<PathBuf> = events.map(|entry| entry.path()).collect();
    let of_run = ["run.json", "outcome.json", "attempts.jsonl", "predictions.csv"];
    let mut files: Vec<PathBuf> = of_run.iter().map(|name| folder.join("x-1").join(name)).collect();
    files.extend(["ledger.json", "experiment.yaml", "sweep.json"].iter().map(|name| folder.join(name)));
    files.extend(events.into_iter().take(1));
    let mut draws = Draws(14);
    for file in files {
        let whole = fs::read(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
        for round in 0..8 {
            let bytes = mutated(&whole, &mut draws);
            fs::write(&file, &bytes).expect("write");
            let what = format!("{} in round {round}: {}", file.display(), String::from_utf8_lossy(&bytes));
            let commands: [&[&str]; 4] =
                [&["verify", "mutated"], &["index", "--rebuild"], &["show", "x-1"], &["doctor"]];
            for command in commands.iter().take(if round < 2 { 4 } else { 2 }) {
                ends_in_a_sentence(&project.run(command), &format!("{command:?}: {what}"));
            }
        }
        fs::write(&file, &whole).expect("write");
    }
    // What was made of mutated files is made good.
    project.run(&["index", "--rebuild"]).expect(0);
    project.run(&["verify", "mutated"]).expect(0);
}

#[test]
fn no_mutated_database_makes_a_reader_panic() {
    let project = Project::new();
    let trainer = concat!("python3 ", env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    project.write("spec.yaml", &SPEC.replace("{trainer}", trainer));
    project.run(&["run", "spec.yaml"]).expect(0);
    let database = project.path("runs/gridboard.db");
    // What the last one to open it has left in its log is in it once it is closed.
    project.run(&["index", "--rebuild"]).expect(0);
    let whole = fs::read(&database).expect("read");
    let mut draws = Draws(41);
    for round in 0..30 {
        fs::write(&database, mutated(&whole, &mut draws)).expect("write");
        let commands: [&[&str]; 4] = [
            &["top", "mutated"],
            &["verify", "mutated"],
            &["sql", "select count(*) from history"],
            &["runs", "mutated"],
        ];
        for command in [commands[round % 4], commands[(round + 1) % 4]] {
            ends_in_a_sentence(&project.run(command), &format!("{command:?} in round {round}"));
        }
        for name in ["gridboard.db-wal", "gridboard.db-shm"] {
            let _ = fs::remove_file(project.path("runs").join(name));
        }
    }
    project.run(&["index", "--rebuild"]).expect(0);
    project.run(&["verify", "mutated"]).expect(0);
}
