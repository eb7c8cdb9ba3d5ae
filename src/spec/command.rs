//! The `{name}` places in the argument list of a `command` trainer: found here when a spec is validated, filled here
//! when a run is launched, so that both agree on what a place is.
//!
//! A place is a parameter name between single braces. `{{name}}` stands for the text `{name}`. Any other brace is
//! itself, so that JSON, awk and Python snippets pass unharmed.

/// Places that every run fills, besides its parameters: the seed, the run's name and its directory.
pub const BUILT_IN_PLACES: [&str; 3] = ["seed", "run", "run_dir"];

/// A piece of an argument.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// The names of all places of an argument, in order.
pub fn places(argument: &str) -> impl Iterator<Item = &str> {
    pieces(argument).into_iter().filter_map(|piece| match piece {
        Piece::Place(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// The argument with every place filled; one that `lookup` does not know stays as it was written.
#[must_use]
pub fn substitute(argument: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(argument.len());
    for piece in pieces(argument) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Place(name) => match lookup(name) {
                Some(value) => filled.push_str(&value),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    filled
}

/// The place that an argument is, where it is nothing else.
#[must_use]
pub fn only_place(argument: &str) -> Option<&str> {
    let pieces = pieces(argument);
    let mut pieces = pieces.into_iter().filter(|piece| *piece != Piece::Text(""));
    match (pieces.next(), pieces.next()) {
        (Some(Piece::Place(name)), None) => Some(name),
        _ => None,
    }
}

/// Whether `name` can be a parameter's: at most 64 letters, digits, `_` and `-`, starting with a letter or `_`.
#[must_use]
pub fn is_parameter_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(is_name_byte)
}

/// The variable of the caller's environment that a value of `model.env` names: `NAME` of `$NAME`. Any other text is itself; one
/// that begins with `$$` is itself without the first `$`.
#[must_use]
pub fn variable(text: &str) -> Option<&str> {
    text.strip_prefix('$').filter(|name| is_variable_name(name))
}

/// Whether a name can be a variable's: letters, digits and `_`, not a digit first.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn pieces(argument: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut text_from, mut at) = (0, 0);
    while let Some(open) = argument[at..].find('{').map(|offset| at + offset) {
        let doubled = argument[open..].starts_with("{{");
        let name_from = open + if doubled { 2 } else { 1 };
        let rest = &argument[name_from..];
        let length = rest.bytes().take_while(|byte| is_name_byte(*byte)).count();
        let name =
            rest[length..].starts_with('}').then(|| &rest[..length]).filter(|name| is_parameter_name(name));
        match (name, doubled) {
            (Some(name), false) => {
                pieces.push(Piece::Text(&argument[text_from..open]));
                pieces.push(Piece::Place(name));
                text_from = name_from + name.len() + 1;
                at = text_from;
            }
            (Some(name), true) if argument[name_from + name.len()..].starts_with("}}") => {
                let end = name_from + name.len() + 1;
                pieces.push(Piece::Text(&argument[text_from..open]));
                pieces.push(Piece::Text(&argument[open + 1..end]));
                text_from = end + 1;
                at = text_from;
            }
            _ => at = open + 1,
        }
    }
    pieces.push(Piece::Text(&argument[text_from..]));
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(argument: &str) -> String {
        substitute(argument, |name| (name == "lr" || name == "seed").then(|| format!("<{name}>")))
    }

    #[test]
    fn fills_places_and_leaves_other_braces() {
        for (argument, filled) in [
            ("--lr={lr}", "--lr=<lr>"),
            ("{lr}{seed}", "<lr><seed>"),
            ("{{lr}}", "{lr}"),
            ("{other}", "{other}"),
            ("d = {'a': {lr}, 'b': {}}", "d = {'a': <lr>, 'b': {}}"),
            ("{\"lr\": {lr}}", "{\"lr\": <lr>}"),
            ("{{'lr': {lr}}}", "{{'lr': <lr>}}"),
            ("{lr", "{lr"),
            ("{{lr}", "{<lr>"),
            ("", ""),
            ("héé{lr}é", "héé<lr>é"),
        ] {
            assert_eq!(fill(argument), filled, "{argument}");
        }
        assert_eq!(places("{a} {{b}} {c-d} { e }").collect::<Vec<_>>(), ["a", "c-d"]);
    }

    #[test]
    fn a_variable_is_named_and_a_text_is_itself() {
        assert_eq!(
            ["$HF_TOKEN", "$_1", "text", "$$x", "$1", "$", "$A-B"].map(variable),
            [Some("HF_TOKEN"), Some("_1"), None, None, None, None, None]
        );
    }

    #[test]
    fn parameter_names() {
        assert!(is_parameter_name("layer_size") && is_parameter_name("_x-1"));
        assert!(!is_parameter_name("") && !is_parameter_name("1x") && !is_parameter_name("a b"));
        assert!(!is_parameter_name(&"x".repeat(65)));
    }

    proptest! {
        #[test]
        fn an_argument_without_known_places_or_escapes_is_itself(argument in "[^{}]*|[{}a'é ]{0,8}") {
            prop_assume!(!argument.contains("{{a"));
            prop_assert_eq!(substitute(&argument, |_| None), argument);
        }
    }
}
