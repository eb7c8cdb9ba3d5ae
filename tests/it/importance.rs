//! `gridboard importance`, and the report's section of it.

use crate::support::Project;

const SPEC: &str = "experiment: mattered
model: {family: command, run: [{trainer}, \"{acc}\"]}
grid: {width: [1, 2, 3], acc: [0.5, 0.6, 0.7, 0.9]}
seeds: [0, 1]
schedule: {devices: 'cpu:2'}
";

#[test]
fn the_axis_that_decides_has_all_of_the_importance() {
    let project = Project::with_spec(SPEC);
    project.run(&["run", "spec.yaml"]).expect(0);
    let rows = project.run(&["importance", "--format", "json"]).expect(0).json();
    assert_eq!((rows.len(), &rows[0]["axis"]), (2, &"acc".into()), "{rows:?}");
    let is = |row: usize, key: &str, value: f64| {
        let found = rows[row][key].as_f64().expect("a number");
        assert!((found - value).abs() < 1e-6, "{key}: {found}, not {value}");
    };
    // The seeds agree, so there is no spread.
    for key in ["importance", "importance_low", "importance_high", "explained", "explained_low"] {
        is(0, key, 1.0);
        is(1, key, 0.0);
    }
    let pairs = project.run(&["importance", "mattered", "--pairs", "--format", "csv"]).expect(0).stdout;
    assert!(pairs.starts_with("axis,with,explained,"), "{pairs}");
    let table = project.run(&["importance"]).expect(0).stdout;
    assert!(table.contains("over 12 points") && table.contains("beyond what both explain alone"), "{table}");
    let csv = project.read("runs/mattered/report/importance.csv");
    assert!(csv.lines().nth(1).is_some_and(|line| line.starts_with("acc,1")), "{csv}");
    assert!(project.read("runs/mattered/report/report.html").contains("What mattered"));

    // The same in SQL, also in a database that is made anew.
    let query = "select axis, with_axis, round(importance, 6) as importance, round(importance_low, 6) as low, \
                 round(explained, 6) as explained, points from importance where experiment = 'mattered'";
    let kept = serde_json::json!([
        {"axis": "acc", "with_axis": null, "importance": 1.0, "low": 1.0, "explained": 1.0, "points": 12},
        {"axis": "width", "with_axis": null, "importance": 0.0, "low": 0.0, "explained": 0.0, "points": 12},
        {"axis": "width", "with_axis": "acc", "importance": null, "low": null, "explained": 0.0, "points": 12},
    ]);
    assert_eq!(serde_json::json!(project.sql(query)), kept);
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(serde_json::json!(project.sql(query)), kept);
    project.run(&["verify", "mattered"]).expect(0);

    // Figures in the report, and wherever they are wanted.
    for stem in ["slice_plot", "contour_plot"] {
        assert!(project.read(&format!("runs/mattered/report/{stem}.svg")).contains("acc"), "{stem}");
    }
    let drawn = project.run(&["importance", "--plot", "figures/new"]).expect(0);
    for file in ["slice_plot.svg", "slice_plot.png", "contour_plot.svg", "contour_plot.png"] {
        assert!(project.path("figures/new").join(file).is_file(), "{file}");
        assert!(drawn.stderr.contains(file), "{}", drawn.stderr);
    }
    let svg = project.read("figures/new/contour_plot.svg");
    assert!(svg.contains("width") && svg.contains("validation/epoch_accuracy"), "{svg}");
}

#[test]
fn too_little_is_said_in_a_sentence() {
    let project = Project::with_spec(&SPEC.replace("[0.5, 0.6, 0.7, 0.9]", "[0.5]"));
    project.run(&["run", "spec.yaml"]).expect(0);
    let refused = project.run(&["importance", "mattered"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("it has no two ranked points that differ"), "{}", refused.stderr);
}
