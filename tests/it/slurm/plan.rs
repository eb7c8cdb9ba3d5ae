//! What `gridboard plan` says of a submission, against what Slurm makes of it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::{Lab, six};

#[test]
fn a_plan_shows_the_submission_and_slurm_takes_its_script() {
    let Some(lab) = Lab::start("MaxArraySize=4") else { return };
    let spec = six(
        "{partition: sweep, gpus: 1, time: 20m, memory: 256MiB, options: {nice: 5}, setup: [echo on a node]}",
    );
    let project = lab.project(&spec);
    let shown = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    for part in ["Submission of six", "sweep", "268 MB", "20 min", "120 s before it", "--nice=5", "6 jobs"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(shown.contains("2 arrays of 2 to 4 tasks") && shown.contains("4 tasks at most"), "{shown}");
    let rows = project.run(&["plan", "spec.yaml", "--format", "json"]).expect(0).json();
    let arrays: Vec<u64> =
        rows.iter().map(|row| row["submission"]["first_array"].as_u64().expect("a number")).collect();
    assert_eq!(arrays, [0, 0, 0, 0, 1, 1]);
    let first = &rows[0]["submission"];
    assert_eq!((&first["time_limit_seconds"], &first["time_from"]), (&1200.into(), &"given".into()));
    assert_eq!((&first["array_limit"], &first["gpus"]), (&4.into(), &1.into()));

    let printed = project.run(&["plan", "spec.yaml", "--script"]).expect(0);
    assert!(printed.stderr.contains("SUBMISSION is the name"), "{}", printed.stderr);
    let scripts: Vec<&str> = printed.stdout.split("# ---- submission 2 of 2: 2 runs ----\n").collect();
    assert_eq!(scripts.len(), 2, "{}", printed.stdout);
    for (script, tasks) in scripts.iter().zip(["0-3", "0-1"]) {
        assert!(script.starts_with("#!/bin/bash\n"), "{script}");
        assert!(script.contains(&format!("#SBATCH --array={tasks}\n")), "{script}");
    }
    let mut sbatch = Command::new("sbatch")
        .args(["--test-only"])
        .env("SLURM_CONF", lab.path().join("etc/slurm.conf"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start sbatch");
    sbatch.stdin.take().expect("a pipe").write_all(printed.stdout.as_bytes()).expect("write the script");
    let took = sbatch.wait_with_output().expect("wait for sbatch");
    let said = String::from_utf8_lossy(&took.stderr);
    assert!(took.status.success() && said.contains("to start at"), "{said}");
    assert!(!project.path("runs").exists(), "a plan writes nothing");
}
