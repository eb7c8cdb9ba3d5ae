//! What attempts are started with.

use super::*;
use crate::{run::Keeping, spec::Parameters};

/// A run of the experiment `tab3` on the processor.
pub(crate) fn run_file(parameters: &[(&str, Value)]) -> RunFile {
    let parameters: Parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    RunFile {
        experiment: "tab3".into(),
        run: "lr-0.1-seed-7".into(),
        id: "0123456789abcdef".into(),
        attempt: 2,
        seed: 7,
        family: Family::Command,
        axes: parameters.clone(),
        parameters,
        dataset: None,
        device: Slot::CPU.into(),
        threads: 3,
        version: String::new(),
        host: String::new(),
        started: 0.0,
        keeping: Keeping::default(),
        provenance: None,
    }
}

#[test]
fn variables_of_the_spec_come_from_the_text_or_from_the_caller() {
    let plan = |env: &[(&str, &str)]| {
        let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let command = ["program".to_owned()];
        let plan = LaunchPlan::command(0, &command, Path::new("/runs/x"), &run_file(&[])).unwrap();
        plan.with_variables(&env)
    };
    let whole =
        plan(&[("PLAIN", "text"), ("COPY", "$PATH"), ("PRICE", "$$5"), ("OMP_NUM_THREADS", "99")]).unwrap();
    assert_eq!((variable(&whole, "PLAIN"), variable(&whole, "PRICE")), (Some("text"), Some("$5")));
    assert_eq!(variable(&whole, "COPY"), std::env::var("PATH").ok().as_deref());
    assert_eq!(variable(&whole, "OMP_NUM_THREADS"), Some("3"), "Gridboard's own stays");
    assert!(!whole.title().contains("PATH"), "the log has the command alone");
    let error = plan(&[("TOKEN", "$GRIDBOARD_TEST_NOT_THERE")]).unwrap_err().to_string();
    assert!(error.contains("`model.env.TOKEN` is `$GRIDBOARD_TEST_NOT_THERE`"), "{error}");
}

#[test]
fn an_argument_that_is_only_its_place_may_be_none_or_several() {
    let list = Value::List(vec![Value::Int(64), Value::Text("b c".into())]);
    let file = run_file(&[
        ("empty", Value::Text(String::new())),
        ("list", list),
        ("nothing", Value::Null),
        ("off", Value::Bool(false)),
        ("on", Value::Bool(true)),
    ]);
    let command = ["t", "{off}", "{nothing}", "{on}", "{empty}", "{list}", "--x={nothing}{off}{list}"];
    let command = command.map(str::to_owned);
    let plan = LaunchPlan::command(0, &command, Path::new("/runs/x"), &file).unwrap();
    assert_eq!(plan.args, ["true", "", "64", "b c", r#"--x=nullfalse[64,"b c"]"#]);
    assert_eq!(variable(&plan, "GRIDBOARD_PARAM_NOTHING"), None);
    assert_eq!(variable(&plan, "GRIDBOARD_PARAM_OFF"), Some("false"));
    assert_eq!(variable(&plan, "GRIDBOARD_PARAM_LIST"), Some(r#"[64,"b c"]"#));
    let error = LaunchPlan::command(0, &["{nothing}".to_owned()], Path::new("/runs/x"), &file).unwrap_err();
    assert!(matches!(error, PlanError::NoProgram), "{error}");
}

fn variable<'a>(plan: &'a LaunchPlan, name: &str) -> Option<&'a str> {
    let mut found = plan.env.iter().filter(|(key, _)| key == name);
    let value = found.next().map(|(_, value)| value.to_str().expect("text"));
    assert!(found.next().is_none(), "{name} is set twice");
    value
}

#[test]
fn a_command_is_told_what_it_may_resume_from() {
    for (resumes, word) in [(false, ""), (true, "1")] {
        let command = ["program".to_owned()];
        let plan = LaunchPlan::command(0, &command, Path::new("/runs/x"), &run_file(&[])).unwrap();
        let own = BTreeMap::from([("GRIDBOARD_RESUME".to_owned(), "mine".to_owned())]);
        let plan = plan.with_state(resumes).with_variables(&own).unwrap();
        assert_eq!(variable(&plan, "GRIDBOARD_STATE_DIR"), Some("/runs/x/state"));
        assert_eq!(variable(&plan, "GRIDBOARD_RESUME"), Some(word));
    }
}

#[test]
fn a_command_gets_the_values_of_its_run() {
    let file = run_file(&[
        ("lr", Value::Float(0.1)),
        ("batch-size", Value::Int(32)),
        ("name", Value::Text("a b".into())),
    ]);
    let command = ["python3", "t.py", "--lr={lr}", "{name}", "{seed}", "{run}", "{{run}}", "{run_dir}"];
    let command = command.map(str::to_owned);
    let plan = LaunchPlan::command(5, &command, Path::new("/runs/x"), &file).expect("a plan");
    assert_eq!((plan.run, plan.attempt, plan.stdin), (5, 2, Stdin::Null));
    assert_eq!(plan.program, "python3");
    assert_eq!(plan.args, ["t.py", "--lr=0.1", "a b", "7", "lr-0.1-seed-7", "{run}", "/runs/x"]);
    for (name, value) in [
        ("GRIDBOARD_RUN_DIR", "/runs/x"),
        ("GRIDBOARD_RUN", "lr-0.1-seed-7"),
        ("GRIDBOARD_EXPERIMENT", "tab3"),
        ("GRIDBOARD_SEED", "7"),
        ("GRIDBOARD_ATTEMPT", "2"),
        ("GRIDBOARD_DEVICE", "cpu"),
        ("GRIDBOARD_THREADS", "3"),
        ("GRIDBOARD_PARAM_LR", "0.1"),
        ("GRIDBOARD_PARAM_BATCH_SIZE", "32"),
        ("GRIDBOARD_PARAM_NAME", "a b"),
        ("CUDA_VISIBLE_DEVICES", ""),
        ("OMP_NUM_THREADS", "3"),
        ("RAYON_NUM_THREADS", "3"),
    ] {
        assert_eq!(variable(&plan, name), Some(value), "{name}");
    }
    assert_eq!(variable(&plan, "CUDA_DEVICE_ORDER"), None);
    assert_eq!(
        plan.title(),
        "--- gridboard: attempt 2 on cpu, threads: 3: python3 t.py --lr=0.1 \"a b\" 7 lr-0.1-seed-7 \"{run}\" /runs/x"
    );
}

#[test]
fn a_parameter_hides_the_place_of_its_name() {
    let file = run_file(&[("seed", Value::Int(99))]);
    let command = ["train".to_owned(), "{seed}".to_owned()];
    let plan = LaunchPlan::command(0, &command, Path::new("x"), &file).expect("a plan");
    assert_eq!(plan.args, ["99"]);
    assert_eq!(variable(&plan, "GRIDBOARD_SEED"), Some("7"));
}

#[test]
fn the_worker_trains_the_absolute_directory_on_its_only_device() {
    let file = RunFile { device: "GPU-1a".into(), ..run_file(&[("lr", Value::Float(0.1))]) };
    let plan = LaunchPlan::worker(0, Path::new("/bin/worker"), Path::new("runs/x"), &file).expect("a plan");
    let run_dir = std::env::current_dir().unwrap().join("runs/x");
    assert_eq!(plan.program, "/bin/worker");
    assert_eq!(plan.args, [OsString::from("train"), run_dir.clone().into()]);
    assert_eq!((plan.stdin, &plan.run_dir), (Stdin::Lifeline, &run_dir));
    assert_eq!(variable(&plan, "CUDA_VISIBLE_DEVICES"), Some("GPU-1a"));
    assert_eq!(variable(&plan, "CUDA_DEVICE_ORDER"), Some("PCI_BUS_ID"));
    assert_eq!(variable(&plan, "GRIDBOARD_PARAM_LR"), None);
}

#[test]
fn tf32_is_what_the_precision_says() {
    let plan = |device: &str, precision: Option<&str>| {
        let parameters: Vec<(&str, Value)> =
            precision.map(|word| ("precision", Value::Text(word.into()))).into_iter().collect();
        let family = Family::GridCnn;
        let file = RunFile { device: device.into(), family, ..run_file(&parameters) };
        let plan = LaunchPlan::worker(0, Path::new("w"), Path::new("x"), &file).expect("a plan");
        [FORBID_TF32.0, ALLOW_TF32.0].map(|name| variable(&plan, name).map(str::to_owned))
    };
    let (zero, one) = (Some("0".to_owned()), Some("1".to_owned()));
    assert_eq!(plan("GPU-1a", None), [zero.clone(), None]);
    assert_eq!(plan("GPU-1a", Some("fp32")), [zero, None]);
    assert_eq!(plan("GPU-1a", Some("tf32")), [None, one]);
    assert_eq!(plan("cpu", Some("tf32")), [None, None]);
}

#[test]
fn mistakes_are_found_before_the_start() {
    let check = |command: &[&str], parameters: &[(&str, Value)], expected: &str| {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let error = LaunchPlan::command(0, &command, Path::new("x"), &run_file(parameters));
        assert_eq!(error.expect_err("a mistake").to_string(), expected);
    };
    let one = Value::Int(1);
    check(&[], &[], "the command is empty");
    check(&[""], &[], "the command is empty");
    check(
        &["t"],
        &[("a-b", one.clone()), ("a.b", one)],
        "parameters `a-b` and `a.b` are both `GRIDBOARD_PARAM_A_B` in the environment of the command",
    );
}
