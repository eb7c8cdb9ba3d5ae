//! The places in a command: `{axis}` becomes the run's value.
//!
//! Pure; called for every argument of a `command` trainer. `{{` and `}}` are literal braces.

/// Why an argument cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// No value has that name.
    #[error("argument `{argument}` of the command: no value is named `{name}`; known are {known}")]
    Unknown {
        /// The argument.
        argument: String,
        /// The name between the braces.
        name: String,
        /// All names.
        known: String,
    },
    /// A brace without its partner.
    #[error(
        "argument `{argument}` of the command: a `{brace}` stands alone; a literal one is written `{brace}{brace}`"
    )]
    Alone {
        /// The argument.
        argument: String,
        /// The brace.
        brace: char,
    },
}

/// The argument with every place filled in by `value`. `names` lists what there is, for the message.
pub(super) fn substitute(
    argument: &str,
    value: impl Fn(&str) -> Option<String>,
    names: impl FnOnce() -> Vec<String>,
) -> Result<String, SubstituteError> {
    let alone = |brace| SubstituteError::Alone { argument: argument.to_owned(), brace };
    let mut filled = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            filled.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            filled.push('}');
            rest = after;
        } else if let Some(after) = from.strip_prefix('{') {
            let end = after.find(['{', '}']).filter(|end| after[*end..].starts_with('}'));
            let name = &after[..end.ok_or_else(|| alone('{'))?];
            match value(name) {
                Some(value) => filled.push_str(&value),
                None => {
                    let known: Vec<String> = names().iter().map(|name| format!("`{name}`")).collect();
                    let (argument, name) = (argument.to_owned(), name.to_owned());
                    return Err(SubstituteError::Unknown { argument, name, known: known.join(", ") });
                }
            }
            rest = &after[name.len() + 1..];
        } else {
            return Err(alone('}'));
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(argument: &str) -> Result<String, String> {
        let value = |name: &str| match name {
            "lr" => Some("0.1".to_owned()),
            "odd {{ name" => Some("never reached".to_owned()),
            "braces" => Some("{lr}".to_owned()),
            _ => None,
        };
        substitute(argument, value, || vec!["lr".into(), "braces".into()]).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_filled_once() {
        let check =
            |argument, expected: &str| assert_eq!(fill(argument), Ok(expected.to_owned()), "{argument}");
        check("", "");
        check("train.py", "train.py");
        check("--lr={lr}", "--lr=0.1");
        check("{lr}{lr}", "0.10.1");
        check("{{lr}}", "{lr}");
        check("{{{lr}}}", "{0.1}");
        check("é{lr}é", "é0.1é");
        check("{braces}", "{lr}");
        check(r#"{{"lr": {lr}}}"#, r#"{"lr": 0.1}"#);
    }

    #[test]
    fn errors_name_the_argument() {
        let check =
            |argument, expected: &str| assert_eq!(fill(argument), Err(expected.to_owned()), "{argument}");
        check(
            "--lr={rl}",
            "argument `--lr={rl}` of the command: no value is named `rl`; known are `lr`, `braces`",
        );
        check("{}", "argument `{}` of the command: no value is named ``; known are `lr`, `braces`");
        for argument in ["{lr", "a{", "{odd {{ name}"] {
            let message = "a `{` stands alone; a literal one is written `{{`";
            check(argument, &format!("argument `{argument}` of the command: {message}"));
        }
        for argument in ["lr}", "{lr}}"] {
            let message = "a `}` stands alone; a literal one is written `}}`";
            check(argument, &format!("argument `{argument}` of the command: {message}"));
        }
    }

    proptest! {
        #[test]
        fn any_argument_is_filled_or_refused(argument in "[{}lrx é]{0,20}") {
            let _ = fill(&argument);
        }

        #[test]
        fn escaped_text_comes_back(text in any::<String>()) {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(fill(&escaped), Ok(text));
        }
    }
}
