//! `gridboard sql`: answers as they are, in every format, however long.

use crate::support::Project;

fn project() -> Project {
    let project = Project::with_spec("experiment: mine\nmodel: {family: command, run: ['true']}\n");
    project.run(&["run", "spec.yaml"]).expect(0);
    project
}

fn ask(project: &Project, format: &str, query: &str) -> String {
    project.run(&["sql", "--format", format, query]).expect(0).stdout
}

#[test]
fn equal_names_infinities_and_odd_bytes_survive() {
    let project = project();
    let join = "select r.state, a.state, r.attempts from runs r join attempts a on a.run = r.run";
    let rows = project.sql(join);
    assert_eq!(
        serde_json::json!(rows),
        serde_json::json!([{"state": "completed", "state_2": "completed", "attempts": 1}])
    );
    assert_eq!(ask(&project, "csv", join), "state,state,attempts\ncompleted,completed,1\n");
    let odd = "select 9e999 as a, -9e999 as b, cast(x'41ff42' as text) as c, null as d, x'00ff' as e";
    let rows = project.sql(odd);
    assert_eq!((&rows[0]["a"], &rows[0]["b"]), (&"Infinity".into(), &"-Infinity".into()));
    assert_eq!((&rows[0]["c"], &rows[0]["d"]), (&"A\u{fffd}B".into(), &serde_json::Value::Null));
    assert_eq!(ask(&project, "csv", odd), "a,b,c,d,e\ninf,-inf,A\u{fffd}B,,(2 bytes)\n");
    assert_eq!(ask(&project, "json", "select 1 where 0"), "[]\n");
    assert_eq!(ask(&project, "csv", "select 1 as one where 0"), "one\n");
    let wrong = project.run(&["sql", "select no_such_column from runs"]).expect(1);
    assert_eq!(wrong.stdout, "");
}

/// The largest memory that a finished child has had, in MiB: as the kernel adds up those that were waited for.
#[test]
fn a_long_answer_takes_no_more_memory_than_a_short_one() {
    let project = project();
    let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < LAST)
                   select i, i / 7.0 as part, 'the name of run ' || i as name, null as none from n";
    for format in ["csv", "json", "table"] {
        let peak = |last: &str| {
            // A child of its own, so that its peak is not hidden behind another's.
            let script = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
            let query = numbers.replace("LAST", last);
            let output = std::process::Command::new("python3")
                .args(["-c", script, env!("CARGO_BIN_EXE_gridboard"), "sql", "--format", format, &query])
                .current_dir(project.path(""))
                .output()
                .expect("start python3");
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            text.trim().parse::<u64>().unwrap_or_else(|_| panic!("{format}: {:?}", output.stderr)) / 1024
        };
        let (short, long) = (peak("10"), peak("200000"));
        assert!(long < short + 16, "{format}: {short} MiB for 10 rows, {long} MiB for 200,000");
    }
}
