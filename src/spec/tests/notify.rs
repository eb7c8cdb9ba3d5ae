//! `notify`: addresses are names of variables, and what is a secret is refused and not repeated.

use super::*;

fn spec(notify: &str) -> String {
    format!("experiment: e\nmodel: {{family: command, run: [python, t.py]}}\nnotify: {notify}\n")
}

#[test]
fn addresses_are_names_and_words_have_defaults() {
    let notify = accept(&spec("{slack: $HOOK, ntfy: \"https://ntfy.sh/mine\", command: [tell, me]}")).notify;
    assert_eq!(
        notify.targets,
        [(NotifyBy::Slack, "$HOOK".to_owned()), (NotifyBy::Ntfy, "https://ntfy.sh/mine".to_owned())]
    );
    assert_eq!((notify.command.len(), notify.on), (2, NotifyOn::DEFAULT.to_vec()));
    assert_eq!(accept(&spec("{webhook: $A, on: best}")).notify.on, [NotifyOn::Best]);
    let all = accept(&spec("{webhook: $A, on: [stalled, finished]}")).notify.on;
    assert_eq!(all, [NotifyOn::Stalled, NotifyOn::Finished]);
    assert_eq!(accept(&spec("{on: [failed]}")).notify, Notify::default(), "nobody is told anything");
}

#[test]
fn an_address_that_is_a_secret_is_refused_and_not_repeated() {
    for (given, said) in [
        ("{slack: \"https://hooks.slack.com/services/T0/B0/Zz9\"}", "`slack: $NAME`"),
        ("{webhook: \"https://ada:Zz9@example.org\"}", "`webhook: $NAME`"),
        ("{webhook: ftp/Zz9}", "must be `$NAME` or an address"),
    ] {
        let found = problems(&spec(given));
        assert!(found.len() == 1 && found[0].contains(said) && !found[0].contains("Zz9"), "{found:?}");
    }
    for wrong in ["{webhook: $A, on: [begun]}", "{webhook: $A, on: []}", "{mail: $A}", "{command: tell}"] {
        assert_eq!(problems(&spec(wrong)).len(), 1, "{wrong}");
    }
}
