//! Text from elsewhere made harmless: file names, class names, tags, log lines, names of runs.
//!
//! None of it is trusted to be free of line breaks or of escape sequences, which would move the cursor, set the title or
//! colour the rest of a terminal. Used by tables and by everything that writes to a terminal.

/// The text on one line: line breaks and tabs become spaces, other control characters are replaced.
#[must_use]
pub fn one_line(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    harmless(text).replace("\r\n", " ").replace(['\n', '\r', '\t'], " ")
}

/// The text with control characters other than line breaks and tabs replaced by U+FFFD, and with them those that turn the
/// direction of writing around, so that no text can send an escape sequence or show itself as another.
#[must_use]
pub fn harmless(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// [`harmless`], for a text of several lines that goes to a terminal: a carriage return that ends no line would write over
/// what stands before it.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    harmless(text).replace("\r\n", "\n").replace('\r', "\u{fffd}")
}

/// JSON that no terminal takes for more than text: what [`harmless`] replaces is written as an escape, so that it reads back
/// as the same.
#[must_use]
pub fn json_for_terminal(json: &str) -> String {
    if json.is_ascii() && !json.contains('\x7f') {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        // Line breaks stand between values; inside of a string they are escapes already.
        if is_harmful(letter) {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

/// Control characters but line breaks and tabs, and those that turn the direction of writing.
fn is_harmful(letter: char) -> bool {
    (letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text is printable ASCII: nothing in it does harm or breaks a line. Nearly every text is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_never_reach_the_terminal() {
        let hostile = "a\u{1b}[31mb\u{9b}c\r\nd\te\rf\u{202e}g";
        assert_eq!(one_line(hostile), "a\u{fffd}[31mb\u{fffd}c d e f\u{fffd}g");
        assert_eq!(for_terminal(hostile), "a\u{fffd}[31mb\u{fffd}c\nd\te\u{fffd}f\u{fffd}g");
        assert_eq!(for_terminal("two\nlines, é"), "two\nlines, é");
        let json = serde_json::to_string(hostile).unwrap();
        let shown = json_for_terminal(&json);
        assert!(!shown.chars().any(is_harmful), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }
}
