//! Ranges, zipped axes, `search`, `exclude` and `limit`.

use super::*;

/// A spec of the built-in family; its lines below are from line 4 on.
fn spec(lines: &str) -> String {
    format!(
        "experiment: e\ndataset: {{phantom: {{}}}}\nmodel: {{family: grid_cnn, dense_layers: 0, conv_layers: 1}}\n{lines}\n\
         train: {{epochs: 1}}\n"
    )
}

fn axis(text: &str, place: usize) -> Axis {
    accept(text).grids[0].axes[place].clone()
}

#[test]
fn ranges_are_of_the_parameters_kind() {
    let search = "search: {method: random, points: 5, seed: 3}";
    let text = spec(&format!(
        "grid:\n  learning_rate: {{from: 1e-5, to: 0.1, scale: log}}\n  layer_size: {{from: 16, to: 61, step: 4}}\n{search}"
    ));
    let experiment = accept(&text);
    let plan = SearchPlan { method: SearchMethod::Random, points: 5, seed: 3 };
    assert_eq!(experiment.search, Some(plan));
    let rate = AxisRange { from: 1e-5, to: 0.1, step: None, is_log: true, is_integer: false };
    assert_eq!(experiment.grids[0].axes[0].range, Some(rate));
    // The highest value is one that steps lead to.
    let size = AxisRange { from: 16.0, to: 60.0, step: Some(4.0), is_log: false, is_integer: true };
    assert_eq!(experiment.grids[0].axes[1].range, Some(size));
    // The spec that is written is the same experiment.
    assert_eq!(accept(&to_yaml(&experiment)), experiment);

    let text = "experiment: e\nmodel: {family: command, run: [x]}\nsearch: {method: sobol, points: 2}\n\
                grid: {a: {from: 1, to: 9}, b: {from: 1.0, to: 9}, c: {from: 0, to: 0.3, step: 0.1}}\nrank: {by: loss}\n";
    let range = |place| axis(text, place).range.expect("a range");
    assert!(range(0).is_integer && !range(1).is_integer && range(1).step.is_none());
    assert_eq!((range(2).to, range(2).step), (0.1_f64 * 3.0, Some(0.1)));
}

#[test]
fn a_mistaken_range_is_one_sentence_at_its_place() {
    let search = "search: {method: random, points: 5}";
    let wrong =
        |axis: &str| problems(&spec(&format!("grid:\n  {axis}\n  layer_size: [8]\n{search}"))).join("\n");
    for (axis, expected) in [
        (
            "learning_rate: {from: 0.1, to: 0.1}",
            "line 5, column 3: the range of axis `learning_rate` is empty: `from` 0.1 is not below `to` 0.1",
        ),
        (
            "learning_rate: {from: 0.1, to: 0.01}",
            "line 5, column 3: the range of axis `learning_rate` is empty: `from` 0.1 is not below `to` 0.01",
        ),
        (
            "batch_size: {from: 1, to: 8, scale: log, step: 2}",
            "line 5, column 44: axis `batch_size`: `scale: log` has no steps; leave `step` out",
        ),
        (
            "batch_size: {from: 1, to: 8, step: 9}",
            "line 5, column 32: axis `batch_size`: `step` must be above 0 and at most 7",
        ),
        (
            "batch_size: {from: 1, to: 8, step: 0.5}",
            "line 5, column 38: `grid.batch_size.step` must be a whole number, as the values are",
        ),
        (
            "batch_size: {from: 1}",
            "line 5, column 3: `grid.batch_size.to` is missing; it is an end of the range, such as {from: 0.001, to: 0.1, scale: log}",
        ),
        (
            "batch_size: {from: 1, to: 8, scale: logarithmic}",
            "`grid.batch_size.scale` must be `linear` or `log`",
        ),
        (
            "shuffle: {from: 0, to: 1}",
            "line 5, column 3: axis `shuffle` is `true` or `false` and has no range; list its values",
        ),
    ] {
        let found = wrong(axis);
        assert!(
            found.starts_with(expected) || found.contains(expected) && axis.contains("logarithmic"),
            "{axis}: {found}"
        );
    }
    let zero = "experiment: e\nmodel: {family: command, run: [x]}\nsearch: {method: random, points: 2}\n\
                grid: {a: {from: 0, to: 1.5, scale: log}}\nrank: {by: loss}\n";
    assert_eq!(
        problems(zero),
        ["line 4, column 8: axis `a`: there is no logarithm of `from` 0; `scale: log` needs one above 0"]
    );
}

#[test]
fn a_range_needs_a_search_and_a_search_enough_points() {
    let range = "grid: {layer_size: {from: 8, to: 16}}";
    assert_eq!(
        problems(&spec(range)),
        [
            "line 4, column 8: axis `layer_size` is a range, and nothing says which of its values are tried; add \
          `search: {method: random, points: 50}`"
        ]
    );
    assert!(
        problems(&spec(&format!("{range}\nsearch: {{method: grid}}")))[0]
            .contains("is a range, and nothing says")
    );
    let more = |points: u32| spec(&format!("{range}\nsearch: {{method: sobol, points: {points}}}"));
    accept(&more(9));
    assert_eq!(
        problems(&more(10)),
        [
            "line 5, column 1: `search.points` is 10, and there are only 9; `search: {method: grid}` trains them all"
        ]
    );
    for (search, expected) in [
        (
            "{points: 5}",
            "line 5, column 1: `search.method` is missing; it is `grid`, `random`, `sobol` or `tpe`",
        ),
        (
            "{method: random}",
            "line 5, column 1: `search.points` is missing; it is how many points are trained",
        ),
        (
            "{method: sobl, points: 5}",
            "line 5, column 18: `search.method` must be `grid`, `random`, `sobol` or `tpe`, not `sobl`; did you mean `sobol`?",
        ),
        (
            "{method: grid, points: 5}",
            "line 5, column 24: `search.points`: a whole grid has all its points; leave it out",
        ),
    ] {
        let found = problems(&spec(&format!("grid: {{layer_size: [8, 16]}}\nsearch: {search}")));
        assert_eq!(found, [expected]);
    }
}

#[test]
fn zipped_axes_go_row_by_row() {
    let text = spec("grid: {\"layer_size, learning_rate\": [[8, 0.1], [16, 0.01]], batch_size: [2, 4]}");
    let experiment = accept(&text);
    let grids: Vec<String> = experiment
        .grids
        .iter()
        .map(|grid| {
            let axis = |axis: &Axis| {
                let values: Vec<String> = axis.values.iter().map(ToString::to_string).collect();
                format!("{}: {}", axis.name, values.join(" "))
            };
            grid.axes.iter().map(axis).collect::<Vec<_>>().join(", ")
        })
        .collect();
    assert_eq!(
        grids,
        [
            "layer_size: 8, learning_rate: 0.1, batch_size: 2 4",
            "layer_size: 16, learning_rate: 0.01, batch_size: 2 4"
        ]
    );
    assert_eq!(accept(&to_yaml(&experiment)), experiment);
    for (axes, expected) in [
        (
            "\"layer_size, learning_rate\": [[8]]",
            "each row of `layer_size, learning_rate` must be a list of 2 values",
        ),
        (
            "\"layer_size, learning_rate\": 8",
            "`layer_size, learning_rate` must be a list of rows with 2 values each",
        ),
        ("\"layer_size, learning_rte\": [[8, 0.1]]", "axis `learning_rte` is not a parameter of `grid_cnn`"),
        ("\"layer_size, \": [[8, 0.1]]", "has a comma without the name of an axis"),
        ("\"layer_size, epochs\": [[8, 1], [8, 1]]", "`layer_size, epochs` repeats a row"),
        ("\"layer_size, epochs\": [[8, 1]], epochs: [1]", "axis `epochs` is given twice in one grid"),
        ("\"layer_size, epochs\": [[8, x]]", "each value of axis `epochs` must be a whole number"),
    ] {
        let found = problems(&spec(&format!("grid: {{{axes}}}"))).join("\n");
        assert!(found.contains(expected), "{axes}: {found}");
    }
}

#[test]
fn rules_leave_out_what_axes_have() {
    let grid = "grid: {layer_size: [8, 16], batch_size: [2, 4]}";
    let experiment = accept(&spec(&format!("{grid}\nexclude: [{{layer_size: 8, batch_size: 2}}]")));
    assert_eq!(experiment.exclude[0]["layer_size"], Value::Int(8));
    assert_eq!(accept(&to_yaml(&experiment)), experiment);
    for (rules, expected) in [
        ("{layer_size: 8}", "`exclude` must be a list of mappings"),
        ("[{}]", "a rule of `exclude` without values would leave out every point"),
        ("[{layer_sze: 8}]", "`exclude`: `layer_sze` is no axis of the grid; did you mean `layer_size`?"),
        (
            "[{layer_size: 9}]",
            "`exclude`: axis `layer_size` has no value `9`, so the rule leaves nothing out",
        ),
        ("[{layer_size: x}]", "`exclude.layer_size` must be a whole number"),
    ] {
        let found = problems(&spec(&format!("{grid}\nexclude: {rules}"))).join("\n");
        assert!(found.contains(expected), "{rules}: {found}");
    }
}

#[test]
fn a_limit_is_read_and_written() {
    let grid = "grid: {layer_size: [8, 16]}";
    let experiment =
        accept(&spec(&format!("{grid}\nlimit: {{parameters: 5M, flops: 1500000, memory: 2GiB}}")));
    let limit = Limit { parameters: Some(5_000_000), flops: Some(1_500_000), memory: Some(2 << 30) };
    assert_eq!(experiment.limit, limit);
    assert_eq!(accept(&to_yaml(&experiment)), experiment);
    assert!(accept(&spec(&format!("{grid}\nlimit: {{parameters: null}}"))).limit.is_default());
    for (limit, expected) in [
        ("{}", "`limit` must be a mapping such as {parameters: 5M, memory: 2GiB}"),
        ("{parameter: 5M}", "unknown key `limit.parameter`; did you mean `parameters`?"),
        ("{parameters: 0}", "`limit.parameters` must be a number from 1 on, as `5000000` or `5M`"),
        ("{flops: 5 MFLOPs}", "`limit.flops` must be a number from 1 on"),
        ("{parameters: 1.5}", "`limit.parameters` must be a number from 1 on"),
        ("{memory: 2GB}", "`limit.memory` must be a size such as `512MiB` or `2GiB`"),
        ("{memory: 0B}", "`limit.memory` must be a size"),
        ("5M", "`limit` must be a mapping"),
    ] {
        let found = problems(&spec(&format!("{grid}\nlimit: {limit}"))).join("\n");
        assert!(found.contains(expected), "{limit}: {found}");
    }
    let command =
        "experiment: e\nmodel: {family: command, run: [x]}\nlimit: {parameters: 5M}\nrank: {by: loss}\n";
    assert_eq!(
        problems(command),
        [
            "line 3, column 1: `limit`: how many parameters, FLOPs and how much memory the program of a `command` takes is not \
             known before it runs; leave points out with `exclude`"
        ]
    );
}
