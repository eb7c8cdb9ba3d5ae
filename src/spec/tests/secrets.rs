//! Secrets in a spec are refused with the cure, and never repeated; `model.env` is the cure.

use super::*;

/// Made up, and put together here so that no scanner takes this file for a leak.
fn token() -> String {
    "ghp_".to_owned() + &"a1B2c3D4e5".repeat(4)[..36]
}

fn command(lines: &str) -> String {
    format!("experiment: e\nmodel: {{family: command, run: [python, t.py], {lines}}}")
}

#[test]
fn a_secret_is_refused_wherever_it_would_be_written() {
    let token = token();
    for text in [
        format!("experiment: e\nmodel: {{family: command, run: [python, t.py, --auth, {token}]}}"),
        format!("experiment: e\nmodel: {{family: command, run: [env, \"HF_TOKEN={}\", t.py]}}", &token[4..]),
        command(&format!("auth: {token}")),
        command(&format!("api_key: {}", &token[4..])),
        command(&format!("env: {{AUTH: {token}}}")),
        command(&format!("env: {{API_KEY: {}}}", &token[4..])),
        command("url: \"https://ada:pass1word@example.org/x\""),
        command("lr: 0.1") + &format!("\ngrid: {{auth: [{token}, none]}}"),
        command("lr: 0.1") + &format!("\ntrain: {{auth: {token}}}"),
    ] {
        let found = problems(&text);
        let [problem] = &found[..] else { panic!("{found:?}\n{text}") };
        assert!(
            problem.contains("looks like ") && problem.contains("`model.env: {NAME: $NAME}`"),
            "{problem}"
        );
        assert!(!problem.contains(&token[4..]) && !problem.contains("pass1word"), "{problem}");
    }
}

#[test]
fn the_environment_of_a_command_is_read_and_checked() {
    let experiment = accept(&command("env: {HF_TOKEN: $HF_TOKEN, MODE: fast, N: 007}"));
    let env: Vec<_> = experiment.env.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(env, [("HF_TOKEN", "$HF_TOKEN"), ("MODE", "fast"), ("N", "007")]);
    assert!(!experiment.fixed.contains_key("env"));
    // A single value is a parameter, as it always was.
    let cart = accept(&command("env: CartPole-v1"));
    assert_eq!((cart.env.len(), cart.fixed.get("env")), (0, Some(&Value::Text("CartPole-v1".to_owned()))));
    for (line, fault) in [
        ("env: {1X: a}", "no name of a variable"),
        ("env: {GRIDBOARD_SEED: a}", "sets the variables `GRIDBOARD_...` itself"),
        ("env: {A: $1}", "`$1` names no variable"),
        ("env: {A: [1]}", "must be a text or `$NAME`"),
    ] {
        let found = problems(&command(line));
        assert!(found.len() == 1 && found[0].contains(fault), "{line}: {found:?}");
    }
    let mut other = experiment.clone();
    other.env.insert("MODE".to_owned(), "slow".to_owned());
    assert_eq!(difference(&experiment, &other), ["model.env.MODE: fast -> slow"]);
}
