//! The JSON Schema against specs: with a checker of the keywords that it uses, which refuses any other.

use serde_json::{Value as Json, json};

use super::*;
use scalar::Scalar;
use yaml::{Content, Node};

/// A spec as JSON, as an editor sees it.
fn to_json(node: &Node) -> Json {
    match &node.content {
        Content::Scalar(Scalar::Null, _) => Json::Null,
        Content::Scalar(Scalar::Bool(value), _) => json!(value),
        Content::Scalar(Scalar::Int(value), _) => json!(value),
        Content::Scalar(Scalar::Float(value), _) => json!(value),
        Content::Scalar(Scalar::Text | Scalar::HugeInt, text) => json!(text),
        Content::Sequence(items) => items.iter().map(to_json).collect(),
        Content::Mapping(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value))).collect()
        }
    }
}

/// What the schema has against a spec.
pub(super) fn faults(text: &str) -> Vec<String> {
    faults_of(&schema(), text)
}

/// What a schema has against a text.
pub(super) fn faults_of(schema: &Json, text: &str) -> Vec<String> {
    let spec = to_json(&yaml::parse(text).expect("YAML"));
    let mut faults = Vec::new();
    check(schema, &spec, "", &mut faults);
    faults
}

fn is_type(name: &str, value: &Json) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|value| value.fract() == 0.0)
        }
        other => panic!("no type `{other}`"),
    }
}

fn passes(schema: &Json, value: &Json) -> bool {
    let mut faults = Vec::new();
    check(schema, value, "", &mut faults);
    faults.is_empty()
}

fn check(schema: &Json, value: &Json, path: &str, faults: &mut Vec<String>) {
    let Json::Object(rules) = schema else {
        assert_eq!(schema, &json!(true), "a schema is an object or true");
        return;
    };
    let number = value.as_f64();
    let mut fault = |ok: bool, keyword: &str| {
        if !ok {
            faults.push(format!("{path}: {keyword}"));
        }
    };
    for (keyword, rule) in rules {
        let bound = rule.as_f64().unwrap_or_default();
        let length = value.as_array().map(Vec::len);
        let at_most = |length: Option<usize>| length.is_none_or(|length| length as f64 <= bound);
        let at_least = |length: Option<usize>| length.is_none_or(|length| length as f64 >= bound);
        let characters = value.as_str().map(|text| text.chars().count());
        let ok = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "then" | "else" => true,
            "properties" | "additionalProperties" | "propertyNames" | "items" | "if" => true,
            "type" => match rule {
                Json::Array(names) => {
                    names.iter().any(|name| is_type(name.as_str().unwrap_or_default(), value))
                }
                name => is_type(name.as_str().unwrap_or_default(), value),
            },
            "enum" => rule.as_array().is_some_and(|words| words.contains(value)),
            "const" => rule == value,
            "pattern" => {
                let pattern = regex::Regex::new(rule.as_str().expect("text")).expect("a pattern");
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "minimum" => number.is_none_or(|number| number >= bound),
            "maximum" => number.is_none_or(|number| number <= bound),
            "exclusiveMinimum" => number.is_none_or(|number| number > bound),
            "exclusiveMaximum" => number.is_none_or(|number| number < bound),
            "multipleOf" => number.is_none_or(|number| number % bound == 0.0),
            "minItems" => at_least(length),
            "maxItems" => at_most(length),
            "minLength" => at_least(characters),
            "maxLength" => at_most(characters),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
            }),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array()
                    .expect("names")
                    .iter()
                    .all(|key| map.contains_key(key.as_str().expect("a name")))
            }),
            "anyOf" => rule.as_array().expect("schemas").iter().any(|schema| passes(schema, value)),
            "oneOf" => {
                value.is_null()
                    || rule.as_array().expect("schemas").iter().filter(|schema| passes(schema, value)).count()
                        == 1
            }
            "not" => !passes(rule, value),
            other => panic!("the checker does not know `{other}`"),
        };
        fault(ok, keyword);
    }
    if let Some(map) = value.as_object() {
        for (key, value) in map {
            let path = format!("{path}/{key}");
            if let Some(names) = rules.get("propertyNames") {
                check(names, &json!(key), &path, faults);
            }
            match (
                rules.get("properties").and_then(|known| known.get(key)),
                rules.get("additionalProperties"),
            ) {
                (Some(schema), _) => check(schema, value, &path, faults),
                (None, Some(Json::Bool(false))) => faults.push(format!("{path}: unknown")),
                (None, Some(schema)) => check(schema, value, &path, faults),
                (None, None) => {}
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), rules.get("items")) {
        for (index, item) in items.iter().enumerate() {
            check(schema, item, &format!("{path}/{index}"), faults);
        }
    }
    if let Some(condition) = rules.get("if") {
        let branch = if passes(condition, value) { "then" } else { "else" };
        if let Some(schema) = rules.get(branch) {
            check(schema, value, path, faults);
        }
    }
}

#[test]
fn a_whole_spec_passes_and_mistakes_do_not() {
    assert_eq!(faults(WHOLE), Vec::<String>::new());
    let with = |line: &str| faults(&format!("{WHOLE}\n{line}\n"));
    assert_eq!(with("sedes: [1]"), ["/sedes: unknown"]);
    assert_eq!(with("retry: {attempts: 0}").len(), 1);
    assert_eq!(with("retry: {attempts: 2, exit_codes: [75, 137], pause: 5m}"), [""; 0]);
    assert_eq!(with("schedule: {device: cpu}"), ["/schedule/device: unknown"]);
    assert_eq!(with("grid: {momentum: [1]}"), ["/grid/momentum: unknown"]);
    assert_eq!(with("grid: {epochs: []}"), ["/grid/epochs: minItems"]);
    assert_eq!(with("grid: [{epochs: [1]}, {batch_size: [0]}]"), ["/grid/1/batch_size/0: minimum"]);
    assert_eq!(with("seeds: [1, 1]"), ["/seeds: uniqueItems"]);
    let instead = |from: &str, to: &str| faults(&WHOLE.replace(from, to));
    assert_eq!(instead("epochs: 1", "epochs: 0"), ["/train/epochs: minimum"]);
    assert_eq!(instead("epochs: 1", "epoch: 1"), ["/train/epoch: unknown"]);
    assert_eq!(instead("layer_size: 8", "layer_size: x"), ["/model/layer_size: type"]);
    assert_eq!(
        instead("phantom: {}", "phantom: {}, blur: {kernel: 4, sigma: 1}"),
        ["/dataset/blur/kernel: not"]
    );
    assert_eq!(instead("phantom: {}", "phantom: {}, test: 0.15"), Vec::<String>::new());
    assert_eq!(instead("phantom: {}", "phantom: {}, test: 1"), ["/dataset/test: anyOf"]);
    assert_eq!(instead("phantom: {}", "images: x"), ["/dataset: oneOf"]);
    assert_eq!(instead("dataset: {phantom: {}}", ""), [": required"]);
}

#[test]
fn a_command_takes_any_parameter() {
    let command = "experiment: e\nmodel: {family: command, run: [x, 1], free: 2}\ngrid: {lr: [1, a, true]}\n";
    assert_eq!(faults(command), Vec::<String>::new());
    assert_eq!(faults(&command.replace("run:", "runs:")).len(), 1);
    assert_eq!(faults(&command.replace("[1, a, true]", "[null, [1, a], []]")), Vec::<String>::new());
    assert_eq!(faults(&command.replace("free: 2", "free: [1], cwd: ..")), Vec::<String>::new());
    assert_eq!(faults(&command.replace("lr:", "'l r':")), ["/grid/l r: pattern"]);
}

/// The copy that the shipped specs name in their first line, for editors.
#[test]
fn the_shipped_schema_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/spec.schema.json");
    let shipped = std::fs::read_to_string(&path).expect("experiments/spec.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&schema()).expect("JSON"));
    assert!(shipped == made, "write it again: gridboard schema > experiments/spec.schema.json");
}
