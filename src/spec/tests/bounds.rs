//! What YAML can do to a machine, and what it may do here.

use proptest::prelude::*;

use super::*;

#[test]
fn aliases_and_merge_keys_work() {
    let text = "experiment: e
dataset: {phantom: {}}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0, layer_size: 8}
train: {epochs: 1}
grid:
  - {epochs: [1, 2], batch_size: &sizes [8, 16]}
  - {batch_size: *sizes}
";
    let experiment = accept(text);
    assert_eq!(experiment.grids[0].axes[1].values, experiment.grids[1].axes[0].values);
    let merged = accept(
        "experiment: e\nmodel: &m {family: command, run: [x], a: 1, b: 2}\ntrain:\n  <<: [{c: 3}, {c: 4, d: 5}]\n  d: 6\n",
    );
    let fixed: Vec<String> = merged.fixed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(fixed, ["a=1", "b=2", "c=3", "d=6"]);
    assert_eq!(problems("<<: 3\n"), ["line 1, column 5: `<<` merges a mapping or a list of mappings"]);
    assert_eq!(problems("a: &x [*x]\n"), ["line 1, column 8: the alias is inside the node that it repeats"]);
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("the spec has more than 200000 values once its aliases are expanded"),
        "{found:?}"
    );
    // Wide instead of deep: nothing of it is anchored again.
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(1000), "*a, ".repeat(1000));
    let found = problems(&wide);
    assert!(found[0].starts_with("line 2, column "), "{found:?}");
    assert!(found[0].ends_with("values once its aliases are expanded"), "{found:?}");
}

#[test]
fn giant_and_deep_texts_are_refused() {
    let comment = format!("{WHOLE}\n# {}\n", "x".repeat(1 << 20));
    assert_eq!(problems(&comment), ["line 1, column 1: the spec is larger than 1048576 bytes"]);
    let deep = format!("a: {}1{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(problems(&deep), ["line 1, column 35: nested deeper than 32 levels"]);
    let chain: String = (1..40).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1)).collect();
    let found = problems(&format!("a0: &a0 [1]\n{chain}"));
    assert!(found[0].ends_with("nested deeper than 32 levels"), "{found:?}");
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let error = load(Path::new("/dev/zero"), &Overrides::default()).expect_err("no end").to_string();
    assert!(error.ends_with("line 1, column 1: the spec is larger than 1048576 bytes"), "{error}");
}

#[test]
fn a_grid_of_a_billion_points_is_refused_from_its_lengths() {
    let values: Vec<String> = (1..=1000).map(|value| value.to_string()).collect();
    let values = values.join(", ");
    let grid = format!("grid: {{batch_size: [{values}], epochs: [{values}], learning_rate: [{values}]}}");
    let text = WHOLE.replace("train: {epochs: 1}", &grid);
    assert_eq!(
        problems(&text),
        ["line 4, column 1: the grid has 1,000,000,000 runs (1,000,000,000 grid points, seeds: 1); at most \
             1,000,000 are allowed"]
    );
    // More points than 128 bits count.
    let axes: Vec<String> = (0..60).map(|axis| format!("a{axis}: [{values}]")).collect();
    let text =
        format!("experiment: e\nmodel: {{family: command, run: [x]}}\ngrid: {{{}}}\n", axes.join(", "));
    assert!(problems(&text)[0].contains("at most 1,000,000 are allowed"));
    let allowed = format!("grid: {{batch_size: [{values}], learning_rate: [{values}]}}");
    assert_eq!(crate::grid::count(&accept(&format!("{WHOLE}\n{allowed}\n"))), 1_000_000);
}

#[test]
fn scalars_follow_the_core_schema() {
    use scalar::{Scalar, core_schema};
    for (text, scalar) in [
        ("", Scalar::Null),
        ("~", Scalar::Null),
        ("true", Scalar::Bool(true)),
        ("yes", Scalar::Text),
        ("007", Scalar::Int(7)),
        ("+5", Scalar::Int(5)),
        ("-0", Scalar::Int(0)),
        ("0x1F", Scalar::Int(31)),
        ("0o17", Scalar::Int(15)),
        ("0x", Scalar::Text),
        ("0xG", Scalar::Text),
        ("9223372036854775807", Scalar::Int(i64::MAX)),
        ("-9223372036854775808", Scalar::Int(i64::MIN)),
        ("9223372036854775808", Scalar::HugeInt),
        ("1e-3", Scalar::Float(0.001)),
        ("1.", Scalar::Float(1.0)),
        (".5", Scalar::Float(0.5)),
        ("-1.5E+2", Scalar::Float(-150.0)),
        ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
        (".", Scalar::Text),
        ("e5", Scalar::Text),
        ("1e", Scalar::Text),
        ("1.2.3", Scalar::Text),
        ("+", Scalar::Text),
        ("inf", Scalar::Text),
        ("nan", Scalar::Text),
        ("é", Scalar::Text),
    ] {
        assert_eq!(core_schema(text), scalar, "{text}");
    }
    assert!(matches!(core_schema(".nan"), Scalar::Float(value) if value.is_nan()));
}

/// Text that looks like a spec: words of one, in any order.
fn fragments() -> impl Strategy<Value = String> {
    let words = [
        "experiment",
        "dataset",
        "model",
        "train",
        "grid",
        "seeds",
        "rank",
        "schedule",
        "retry",
        "family",
        "grid_cnn",
        "command",
        "run",
        "phantom",
        "images",
        "classes",
        ": ",
        ":\n  ",
        "\n",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "! ",
        "'",
        "\"",
        "|\n",
        "1",
        "-1",
        "0.5",
        ".inf",
        "null",
        "true",
        "é",
        "#",
        "---\n",
        "{x}",
        "\t",
        "  ",
        "? ",
        "%TAG",
        "\\",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in any::<String>(), set in any::<String>()) {
        let overrides = Overrides { set: vec![set], ..Overrides::default() };
        let _ = parse(&text, Path::new("x.yaml"), &overrides);
    }

    #[test]
    fn no_text_that_looks_like_a_spec_panics(text in fragments(), path in "[a-z.0]{0,12}", value in fragments()) {
        let overrides = Overrides { set: vec![format!("{path}={value}")], ..Overrides::default() };
        let _ = parse(&text, Path::new("x.yaml"), &overrides);
        let _ = parse(&format!("{WHOLE}\n{text}"), Path::new("x.yaml"), &overrides);
    }
}
