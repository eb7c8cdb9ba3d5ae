//! What looks like a secret: a token, a password, a key. Pure.
//!
//! Asked by whatever is about to be written where others read it: specs, run files, the database, logs, reports, event files.
//! It cannot know every secret, and does not need to: it stops the ones that come by a command line, an environment or an
//! address, in the forms that services give out today.

use std::sync::LazyLock;

use regex::Regex;

/// Tokens that are known by their form, each with what it is called.
const FORMS: [(&str, &str); 12] = [
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{10,}|github_pat_[A-Za-z0-9_]{10,})"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{10,}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{10,}"),
    // Words may follow `sk-`; a key has capitals or digits.
    ("an API key", r"(?:^|[^A-Za-z0-9_-])sk-[a-z_-]*[A-Z0-9][A-Za-z0-9_-]{9,}"),
    ("a Slack token", r"\bxox[a-z]-[A-Za-z0-9-]{8,}"),
    ("an AWS key", r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"),
    ("a Google key", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{30,}"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}"),
    ("a bearer token", r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}"),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    ("an address with a password", r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"),
];

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    FORMS.iter().map(|(what, pattern)| (*what, Regex::new(pattern).expect("a constant pattern"))).collect()
});

/// `NAME=value`, `--name=value`.
static ASSIGNMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)^-{0,2}([A-Za-z_][A-Za-z0-9_-]*)=(.+)$").expect("a constant pattern"));

/// What a text holds, where that looks like a secret: `a GitHub token`.
#[must_use]
pub fn in_text(text: &str) -> Option<&'static str> {
    PATTERNS.iter().find(|(_, pattern)| pattern.is_match(text)).map(|(what, _)| *what)
}

/// Whether a variable, an option or a parameter is named as one that holds a secret. A tokenizer and `max_tokens` are not.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_uppercase().replace('-', "_");
    let words: Vec<&str> = name.split('_').collect();
    let has = |word: &str| words.contains(&word);
    let pair = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    has("PASSWORD")
        || has("PASSWD")
        || has("SECRET")
        || has("SECRETS")
        || has("CREDENTIAL")
        || has("CREDENTIALS")
        || has("APIKEY")
        || pair("API", "KEY")
        || pair("ACCESS", "KEY")
        || pair("PRIVATE", "KEY")
        || has("TOKEN")
}

/// What the value of a name holds, where it looks like a secret: by its form, or by its name and a value that could be one.
#[must_use]
pub fn in_value(name: &str, value: &str) -> Option<&'static str> {
    in_text(value)
        .or_else(|| (is_secret_name(name) && could_be_secret(value)).then_some("a secret by its name"))
}

/// What the arguments of a command hold, where that looks like a secret: the place of the first such argument, and what.
#[must_use]
pub fn in_arguments(arguments: &[&str]) -> Option<(usize, &'static str)> {
    arguments.iter().enumerate().find_map(|(place, argument)| {
        if let Some(what) = in_text(argument) {
            return Some((place, what));
        }
        if let Some(parts) = ASSIGNMENT.captures(argument) {
            return in_value(&parts[1], &parts[2]).map(|what| (place, what));
        }
        // `--token VALUE`.
        let before = place.checked_sub(1).and_then(|before| arguments.get(before))?;
        let is_option = before.starts_with("--") && !before.contains('=');
        in_value(before, argument).filter(|_| is_option).map(|what| (place, what))
    })
}

/// Whether a value is none of those that stand under such names without being secret: a word, a place to be filled in, a
/// variable, a file, a special token of a vocabulary.
fn could_be_secret(value: &str) -> bool {
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+=.!#%&*?".contains(&byte));
    let digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    value.len() >= 8 && plain && digits && letters
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made up, and put together here so that no scanner takes this file for a leak.
    fn made_up(prefix: &str, n: usize) -> String {
        prefix.to_owned() + &"a1B2c3D4e5".repeat(8)[..n]
    }

    #[test]
    fn tokens_are_known_by_their_form_wherever_they_stand() {
        for (prefix, n) in [
            ("ghp_", 36),
            ("gho_", 36),
            ("github_pat_", 40),
            ("glpat-", 20),
            ("hf_", 34),
            ("sk-", 40),
            ("sk-proj-", 40),
            ("xoxb-", 30),
            ("eyJ", 20),
        ] {
            let token = made_up(prefix, n) + if prefix == "eyJ" { ".a1B2c3D4e5.x" } else { "" };
            for text in [token.clone(), format!("--key={token}"), format!("{{\"auth\": \"{token}\"}}")] {
                assert!(in_text(&text).is_some(), "{text}");
            }
        }
        assert_eq!(in_text(&("AKIA".to_owned() + &"A1B2".repeat(4))), Some("an AWS key"));
        assert_eq!(in_text("Authorization: Bearer abcdefgh12345"), Some("a bearer token"));
        assert_eq!(in_text("https://ada:hunter2@example.org/x.git"), Some("an address with a password"));
        assert_eq!(in_text("-----BEGIN OPENSSH PRIVATE KEY-----"), Some("a private key"));
    }

    #[test]
    fn what_is_everyday_is_no_secret() {
        for text in [
            "train.py",
            "--lr=0.1",
            "risk-adjusted-returns-2026",
            "sk-learn-pipeline",
            "desk-Top4567890123",
            "hf_model",
            "https://example.org:8080/a@b",
            "ssh://git@example.org/x.git",
            "host:5432",
            "0123456789abcdef0123456789abcdef01234567",
            "bearer",
            "{token}",
        ] {
            assert_eq!(in_text(text), None, "{text}");
        }
        assert_eq!(in_value("eos_token", "<|endoftext|>"), None);
        assert_eq!(in_value("max_tokens", "abcdef123456"), None);
        assert_eq!(in_value("tokenizer", "bert-base-uncased-2"), None);
        assert_eq!(in_value("token", "$HF_TOKEN"), None);
    }

    #[test]
    fn names_of_secrets_make_their_values_secret() {
        for name in
            ["WANDB_API_KEY", "HF_TOKEN", "--api-key", "DB_PASSWORD", "aws_secret_access_key", "token"]
        {
            assert!(is_secret_name(name), "{name}");
            assert_eq!(in_value(name, "0123456789abcdef0123"), Some("a secret by its name"), "{name}");
        }
        for name in ["tokenizer", "max_tokens", "secretary", "key", "OMP_NUM_THREADS", "api", "passwordless"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn arguments_are_read_with_their_options() {
        let value = "0123456789abcdef0123456789abcdef01234567";
        let assignment = format!("WANDB_API_KEY={value}");
        let joined = format!("--api-key={value}");
        assert_eq!(in_arguments(&["env", &assignment, "python"]).unwrap().0, 1);
        assert_eq!(in_arguments(&["python", "t.py", &joined]).unwrap().0, 2);
        assert_eq!(in_arguments(&["python", "t.py", "--token", value]).unwrap().0, 3);
        assert_eq!(in_arguments(&["python", "t.py", "--commit", value]), None);
        assert_eq!(in_arguments(&["python", "t.py", "--token", "{token}", "--token=$HF_TOKEN"]), None);
    }
}
