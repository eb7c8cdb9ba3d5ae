//! A part of a space: ranges, searches, and what a rule leaves out.

use crate::support::Project;

const SPEC: &str = "experiment: space
model: {family: command, run: [{trainer}, \"{acc}\"]}
grid: {acc: {from: 0.5, to: 0.99}, width: {from: 1, to: 8}}
search: {method: sobol, points: 4}
exclude: [{width: 1}]
rank: {by: validation/epoch_accuracy}
";

#[test]
fn a_search_is_planned_run_ranked_and_grows() {
    let project = Project::with_spec(SPEC);
    let plan = project.run(&["plan", "spec.yaml"]).expect(0);
    assert!(plan.stdout.contains("search: 4 points of Sobol's sequence, seed 0"), "{}", plan.stdout);
    project.run(&["run", "spec.yaml"]).expect(0);
    let rows = project.sql("select s.run, acc, width, validation_accuracy, started from space s join runs r on r.run = s.run order by s.rank");
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let (acc, ranked) = (row["acc"].as_f64().expect("a number"), row["validation_accuracy"].as_f64());
        assert!((ranked.expect("it ranks") - acc).abs() < 1e-6, "{row}");
        assert_ne!(row["width"], 1);
    }
    assert!(rows.windows(2).all(|pair| pair[0]["acc"].as_f64() > pair[1]["acc"].as_f64()), "{rows:?}");
    // Four digits for people, all of them for machines.
    let table = project.run(&["top"]).expect(0).stdout;
    let best = rows[0]["acc"].as_f64().expect("a number");
    assert!(!table.contains(&best.to_string()), "{table}");
    assert!(project.run(&["top", "--format", "csv"]).expect(0).stdout.contains(&best.to_string()));

    // More points keep those that were trained; another seed has none of them.
    project.write("spec.yaml", &project.read("spec.yaml").replace("points: 4", "points: 6"));
    project.run(&["run", "spec.yaml"]).expect(0);
    let grown = project.sql("select run, started from runs");
    assert_eq!(grown.len(), 6);
    let is_kept = |row: &serde_json::Value| {
        grown.iter().any(|other| other["run"] == row["run"] && other["started"] == row["started"])
    };
    assert!(rows.iter().all(is_kept), "{grown:?}");
    let other = project.run(&["run", "spec.yaml", "--set", "search.seed=1"]).expect(2);
    assert!(other.stderr.contains("search.seed: 0 -> 1"), "{}", other.stderr);
}

#[test]
fn what_is_left_out_is_told() {
    let grid = "experiment: e\nmodel: {family: command, run: ['true']}\ngrid: {a: [1, 2], b: [1, 2]}\nrank: {by: loss}\n";
    let project = Project::with_spec(&format!("{grid}exclude: [{{a: 1, b: 2}}]\n"));
    let plan = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    assert!(plan.contains("1 of 4 grid points are left out by 1 rule of `exclude`"), "{plan}");
    assert!(!plan.contains("a-1-b-2") && plan.contains("a-1-b-1"), "{plan}");
    project.write("spec.yaml", &format!("{grid}exclude: [{{a: 1}}, {{a: 2}}]\n"));
    for command in ["plan", "run"] {
        let refused = project.run(&[command, "spec.yaml"]).expect(2);
        assert!(
            refused.stderr.contains("`exclude` leaves out every grid point of experiment `e`"),
            "{}",
            refused.stderr
        );
    }
    project.write(
        "spec.yaml",
        "experiment: e\nmodel: {family: command, run: ['true']}\ngrid: {a: {from: 1, to: 2}}\n",
    );
    let refused = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(refused.stderr.contains("line 3, column 8: axis `a` is a range"), "{}", refused.stderr);
}
