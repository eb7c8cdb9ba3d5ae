//! The JSON Schema of a spec (draft 2020-12), for editors: completion, descriptions and red lines while typing.
//!
//! Parameters come from the table that validation uses. What a schema cannot say (cross references, repeated values of
//! mixed types, the number of runs) is left to the validation.

mod notify;
mod retry;

use serde_json::{Map, Value as Json, json};

use super::{
    Checkpoint, FAMILY_AXIS, Family, Schedule, SpecDuration, launcher, limit,
    parameter::{Default, Kind, Parameter, Section, family_axis, parameters_of_any},
    read::{
        MAX_RUNS_PER_DEVICE, MAX_STOP_AFTER, MAX_TOP,
        dataset::{
            DEFAULT_DIFFICULTY, DEFAULT_IMAGE_SIZE, DEFAULT_SPLIT, MAX_CLASSES, MAX_IMAGE_SIZE, MAX_KERNEL,
            MAX_PHANTOMS,
        },
        keep::{BATCH_CURVES, BEST, CHECKPOINT, HISTOGRAMS, KEEP, MOST_EPOCHS, PR_CURVES},
        known_tags,
    },
    search, size, stop,
};

/// The schema of a spec file.
#[must_use]
pub fn schema() -> Json {
    let families: Vec<&str> =
        Family::BUILT_IN.into_iter().chain([Family::Command]).map(Family::as_str).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gridboard experiment",
        "description": "A grid of training runs: every combination of the axes, once with each seed.",
        "type": "object",
        "required": ["experiment"],
        "additionalProperties": false,
        "properties": {
            "experiment": {
                "description": "Name of the experiment: its directory below runs/ and its view in the database.",
                "type": "string",
                "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"
            },
            "dataset": dataset(),
            "model": {
                "description": "The trainer and the model parameters that are fixed.",
                "type": ["object", "null"],
                "properties": {
                    "family": {
                        "description": "grid_cnn: the built-in family of small CNNs. vgg16, vgg19, resnet18, resnet50: torchvision's networks. command: any program that writes event files. Left out where every grid sweeps it.",
                        "enum": families
                    }
                }
            },
            "train": {
                "description": "The training parameters that are fixed.",
                "type": ["object", "null"]
            },
            "grid": {
                "description": "Axes and their values; the first axis varies slowest. A list of grids is a union.",
                "type": ["object", "array", "null"]
            },
            "search": search::schema(), "exclude": search::exclude_schema(),
            "limit": limit::schema(),
            "stop": stop::schema(),
            "budget": stop::budget_schema(&json!({"type": "string", "pattern": SpecDuration::PATTERN})),
            "seeds": {
                "description": "Each grid point is trained once with each seed.",
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": i64::MAX},
                "minItems": 1,
                "uniqueItems": true,
                "default": [0]
            },
            "rank": rank(),
            "schedule": schedule(),
            "launcher": launcher::schema(),
            "retry": retry::retry(),
            "reuse": retry::reuse(),
            "notify": notify::schema()
        },
        "if": {
            "required": ["model"],
            "properties": {"model": {
                "type": "object",
                "required": ["family"],
                "properties": {"family": {"const": "command"}}
            }}
        },
        "then": command(),
        "else": built_in()
    })
}

fn dataset() -> Json {
    json!({
        "description": "The images and what is done to them before training.",
        "type": "object",
        "additionalProperties": false,
        "oneOf": [{"required": ["images", "classes"]}, {"required": ["phantom"]}],
        "properties": {
            "images": {
                "description": "A folder with a folder of JPEG or PNG files per class; relative to the spec file.",
                "type": "string",
                "minLength": 1
            },
            "phantom": {
                "description": "The built-in synthetic chest phantoms, instead of images.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "images": {
                        "description": "Phantoms per class, in the order of the classes.",
                        "type": "array",
                        "items": {"type": "integer", "minimum": 1, "maximum": MAX_PHANTOMS}
                    },
                    "difficulty": {
                        "description": "0 is easy, 1 is hopeless.",
                        "type": "number",
                        "minimum": 0,
                        "maximum": 1,
                        "default": DEFAULT_DIFFICULTY
                    },
                    "seed": seed("Seed of the generator.")
                }
            },
            "classes": {
                "description": "Folder names in index order; the last of two is the positive class.",
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^/\\\\]*$"},
                "minItems": 2,
                "maxItems": MAX_CLASSES,
                "uniqueItems": true
            },
            "image_size": {
                "description": "Side of the square images, pixels.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_IMAGE_SIZE,
                "default": DEFAULT_IMAGE_SIZE
            },
            "blur": {
                "description": "Gaussian blur after the resize.",
                "type": ["object", "null"],
                "additionalProperties": false,
                "required": ["kernel", "sigma"],
                "properties": {
                    "kernel": {
                        "description": "Side of the kernel, pixels; odd.",
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MAX_KERNEL,
                        "not": {"multipleOf": 2}
                    },
                    "sigma": {
                        "description": "Standard deviation, pixels.",
                        "type": "number",
                        "exclusiveMinimum": 0,
                        "maximum": 1000
                    }
                }
            },
            "test": {
                "description": "Images held out of training and validation, for one last evaluation: a share of them, or a folder with a folder per class, relative to the spec file.",
                "anyOf": [
                    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                    {"type": "string", "minLength": 1},
                    {"type": "null"}
                ]
            },
            "validation_split": {
                "description": "Part of the images that validates; of those that are not held out.",
                "type": "number",
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 1,
                "default": DEFAULT_SPLIT
            },
            "stratify": {
                "description": "Same part of each class in training and validation; false is Keras' last part of a shuffled list.",
                "type": "boolean",
                "default": true
            },
            "split_seed": seed("Seed of the split; the same split serves every run."),
            "group_by": {
                "description": "Regular expression on the file name; files with the same first group (or whole match) stay on one side of the split.",
                "type": ["string", "null"],
                "minLength": 1
            },
            "on_error": {
                "description": "What an unreadable image does: fail the preparation, or be left out and counted.",
                "enum": ["fail", "skip"],
                "default": "fail"
            }
        }
    })
}

fn seed(description: &str) -> Json {
    json!({"description": description, "type": "integer", "minimum": 0, "maximum": i64::MAX, "default": 0})
}

fn rank() -> Json {
    let metric = |description: &str| {
        json!({
            "description": description,
            "anyOf": [
                {"type": "string", "minLength": 1, "examples": known_tags()},
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["tag"],
                    "properties": {
                        "tag": {"description": "Sub-run, slash, tag.", "type": "string", "minLength": 1},
                        "goal": {"description": "What is better.", "enum": ["maximize", "minimize"]}
                    }
                },
                {"type": "null"}
            ]
        })
    };
    json!({
        "description": "The order of the leaderboard, by values at the last epoch.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "by": metric("The metric that ranks: sub-run, slash, tag; * stands for anything within a folder's name."),
            "goal": {
                "description": "What is better of the metric that ranks; needed where its tag does not tell.",
                "enum": ["maximize", "minimize", null]
            },
            "then": metric("The metric that breaks ties; null for none."),
            "top": {
                "description": "Length of the head of the leaderboard.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_TOP,
                "default": 10
            }
        }
    })
}

fn schedule() -> Json {
    json!({
        "description": "Where runs are placed and how many at once.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "devices": {
                "description": "auto, cpu, cpu:N (N slots), cuda, or cuda:0,2 (these devices).",
                "type": "string",
                "default": "auto"
            },
            "runs_per_device": {
                "description": "Runs at once on one CUDA device.",
                "anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MAX_RUNS_PER_DEVICE}],
                "default": "auto"
            },
            "log_limit": {
                "description": "How long worker.log of a run may get, as 64MiB or 2GiB: its first half and its end are kept.",
                "type": "string",
                "pattern": size::PATTERN,
                "default": size::to_text(Schedule::LOG_LIMIT)
            },
            "grace": {
                "description": "How long a run that is asked to end (SIGTERM) has until it is killed: 30s, 5m, 8h; 30s for built-in trainers, 10s for commands.",
                "type": "string",
                "pattern": SpecDuration::PATTERN
            },
            "time_per_run": {
                "description": "How long a run may take: it is asked to end then (SIGTERM), killed after the grace, and has failed.",
                "anyOf": [{"type": "string", "pattern": SpecDuration::PATTERN}, {"type": "null"}],
                "default": null
            },
            "stall_timeout": {
                "description": "How long a run may write no point and no line of its log: it is asked to end then (SIGTERM), killed after the grace, and has failed.",
                "anyOf": [{"type": "string", "pattern": SpecDuration::PATTERN}, {"type": "null"}],
                "default": null
            },
            "stop_after": {
                "description": "When so many runs have failed alike and none was completed, no other is started; 0 for never.",
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_STOP_AFTER,
                "default": Schedule::STOP_AFTER
            }
        }
    })
}

/// One grid, or a list of them. A choice by type and not `anyOf`, so that editors mark the axis that is wrong instead of
/// the whole grid.
fn grids(axes: &Json) -> Json {
    json!({"properties": {"grid": {
        "if": {"type": "array"},
        "then": {"items": axes, "minItems": 1},
        "else": axes
    }}})
}

/// What a `command` trainer adds: any parameter, any axis.
fn command() -> Json {
    let name = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$";
    let scalar = json!({"type": ["number", "boolean", "string"]});
    let single = json!({"type": ["number", "boolean", "string", "null"]});
    let value = json!({"type": ["number", "boolean", "string", "null", "array"], "items": single});
    let values =
        values_or_range(&json!({"type": "array", "items": value, "minItems": 1, "uniqueItems": true}));
    let axes = json!({"type": ["object", "null"], "propertyNames": {"pattern": name}, "additionalProperties": values});
    let mut schema = grids(&axes);
    schema["properties"]["model"] = json!({
        "required": ["run"],
        "additionalProperties": value,
        "properties": {
            "family": true,
            "cwd": {
                "description": "The folder that the program is started in, relative to the spec file; that of gridboard by default.",
                "anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]
            },
            "run": {
                "description": "Program and arguments; {axis}, {seed}, {run} and {run_dir} are filled in. An argument that is only its place is left out for null and false, and becomes several for a list.",
                "type": "array",
                "items": {"type": ["string", "number", "boolean"]},
                "minItems": 1
            },
            "env": {
                "description": "Variables in the program's environment; $NAME is that variable of whoever starts gridboard, whose value is kept nowhere. (A single value is a parameter of this name.)",
                "anyOf": [
                    {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, "additionalProperties": scalar},
                    scalar
                ]
            }
        }
    });
    schema["properties"]["train"] =
        json!({"propertyNames": {"pattern": name}, "additionalProperties": value});
    schema
}

/// What the built-in families add: the parameters of their tables. Which family has which is left to the validation.
fn built_in() -> Json {
    let rows = parameters_of_any(&Family::BUILT_IN);
    let axes: Map<String, Json> = [family_axis()]
        .iter()
        .chain(&rows)
        .map(|row| {
            let values = json!({"type": "array", "items": kind(row), "minItems": 1, "uniqueItems": true});
            let mut values = match row.kind {
                Kind::Int { .. } | Kind::Float { .. } => values_or_range(&values),
                Kind::Bool | Kind::Path | Kind::Choice(_) => values,
            };
            values["description"] = json!(row.doc);
            (row.name.to_owned(), values)
        })
        .collect();
    let mut schema =
        grids(&json!({"type": ["object", "null"], "additionalProperties": false, "properties": axes}));
    schema["required"] = json!(["dataset"]);
    // The family is fixed, or swept.
    let sweeps = json!({"required": [FAMILY_AXIS]});
    schema["anyOf"] = json!([
        {"required": ["model"], "properties": {"model": {"required": [FAMILY_AXIS]}}},
        {"required": ["grid"], "properties": {"grid": {
            "if": {"type": "array"}, "then": {"items": sweeps}, "else": sweeps
        }}}
    ]);
    let mut model = fixed(&rows, Section::Model);
    model.insert(FAMILY_AXIS.to_owned(), json!(true));
    schema["properties"]["model"] = json!({"additionalProperties": false, "properties": model});
    let mut train = fixed(&rows, Section::Train);
    train.extend(keep());
    schema["properties"]["train"] = json!({"additionalProperties": false, "properties": train});
    schema
}

/// An axis that is listed or searched.
fn values_or_range(values: &Json) -> Json {
    json!({"if": {"type": "object"}, "then": search::range_schema(), "else": values})
}

/// What runs keep while they train.
fn keep() -> [(String, Json); 5] {
    let checkpoint = json!({
        "description": "When a run writes the state that it can be resumed from, at ends of epochs: auto (each, in at most 2 % of the time), 10m (so long after the last time), or never.",
        "type": ["string", "null"],
        "pattern": Checkpoint::PATTERN,
        "default": "auto"
    });
    let best = json!({
        "description": "How many runs, the first of the leaderboard, keep the weights of their best epoch.",
        "anyOf": [{"const": "all"}, {"type": "integer", "minimum": 0, "maximum": MAX_TOP}],
        "default": "all"
    });
    let keep = json!({
        "description": "Which files of finished runs stay.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {BEST: best}
    });
    let every = |what: &str| {
        json!({
            "description": format!("After every so many epochs and the last one: {what}."),
            "anyOf": [{"const": "none"}, {"type": "integer", "minimum": 1, "maximum": MOST_EPOCHS}, {"type": "null"}],
            "default": "none"
        })
    };
    let batches = json!({
        "description": "Whether the loss of each batch is logged, in a TensorBoard run of its own.",
        "type": ["boolean", "null"],
        "default": true
    });
    [
        (CHECKPOINT.to_owned(), checkpoint),
        (KEEP.to_owned(), keep),
        (HISTOGRAMS.to_owned(), every("distributions of weights and gradients")),
        (PR_CURVES.to_owned(), every("precision-recall curves, which the last epoch always has")),
        (BATCH_CURVES.to_owned(), batches),
    ]
}

/// The parameters of one section.
fn fixed(rows: &[&Parameter], section: Section) -> Map<String, Json> {
    let row = |row: &&Parameter| {
        let mut schema = kind(row);
        schema["description"] = json!(row.doc);
        match &row.default {
            Default::Value(value) => schema["default"] = json!(value),
            Default::Absent => {
                schema["type"] = json!([schema["type"], "null"]);
                if let Some(Json::Array(words)) = schema.get_mut("enum") {
                    words.push(Json::Null);
                }
            }
            Default::Required => {}
        }
        (row.name.to_owned(), schema)
    };
    rows.iter().filter(|row| row.section == section).map(row).collect()
}

/// The values of one parameter.
fn kind(row: &Parameter) -> Json {
    match row.kind {
        Kind::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Float { above, max } => json!({"type": "number", "exclusiveMinimum": above, "maximum": max}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Path => json!({"type": "string", "minLength": 1}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
    }
}
