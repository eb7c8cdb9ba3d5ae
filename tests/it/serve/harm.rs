//! Names, tags, notes and logs that mean harm, in a real browser: shown as text, and nothing else.

use std::fs;

use super::{
    Served,
    made::{completed, curve},
    webdriver::Browser,
};

/// What would run where it is taken for markup, ends a quoted attribute, colours a terminal and turns the writing around.
const HARM: &str = "<img src=x onerror=window.evil=1>\"'&lt;`\u{1b}[31m\u{202e}evil\u{2066}";

#[test]
fn what_means_harm_is_text_everywhere() {
    let yaml = "experiment: harm\nmodel: {family: command, run: ['true', '{x}']}\n\
                grid: {x: ['<script>window.evil = 1</script>', \"'\\\"><svg onload=window.evil=1>\", c]}\nrank: {by: loss, goal: minimize}\n";
    let project = completed(
        yaml,
        |place| Some(format!("{place}{HARM}")),
        |place, folder| {
            curve(folder, "loss", [(0, 1.0), (1, place as f32)]);
            curve(folder, &format!("eval/{HARM}"), [(0, 1.0), (1, 2.0)]);
            fs::write(folder.log(), format!("{HARM}\n<script>window.evil = 1</script>\nthe end\n"))
                .expect("a log");
            let marks = serde_json::json!({"tags": [HARM], "note": HARM});
            fs::write(folder.marks(), marks.to_string()).expect("marks");
        },
    );
    let Some(served) = Served::start(&project, &[]) else { return };
    let Some(browser) = Browser::start() else { return };
    let unharmed = |what: &str| {
        let found = browser.run(
            r"return [typeof window.evil, document.querySelectorAll('img[src=x], main script, svg[onload]').length,
                      /[\u001b\u202e\u2066]/.test(document.documentElement.outerHTML), document.title].join()",
        );
        let found = found.as_str().expect("a text").to_owned();
        assert!(found.starts_with("undefined,0,false,") && !found.contains('\u{202e}'), "{what}: {found:?}");
    };
    let names = "[...document.querySelectorAll('.runs tbody a')].map((link) => link.textContent)";
    browser.go(&format!("http://127.0.0.1:{}/", served.port));
    browser.wait("all runs are there", &format!("{names}.length === 3"));
    browser.wait(
        "a name is shown as it is",
        &format!("{names}[0].startsWith('0<img src=x onerror=window.evil=1>\"')"),
    );
    browser.wait("so is a tag", "document.querySelector('.runs .tag').textContent.includes('<img src=x')");
    browser.wait(
        "so is a value of an axis",
        "document.querySelector('.runs').textContent.includes('<script>window.evil = 1</script>')",
    );
    unharmed("the experiment");
    browser.run("document.querySelector('#group').value = 'x'; document.querySelector('#group').dispatchEvent(new Event('change'))");
    browser.wait("it is grouped", "document.querySelector('.legend').textContent.includes('<svg onload')");
    unharmed("grouped by an axis");
    for place in [0, 1] {
        browser.run(&format!("document.querySelectorAll('.runs tbody input')[{place}].click()"));
    }
    browser.run(
        "[...document.querySelectorAll('button')].find((button) => button.textContent === 'Compare').click()",
    );
    browser.wait("two are compared", "document.querySelectorAll('figure canvas').length >= 2 && /the end/.test(document.querySelector('pre.log')?.textContent)");
    unharmed("compared");
    browser.run("document.querySelector('thead a').click()");
    browser.wait("the run's page is there", "/the end/.test(document.querySelector('pre.log')?.textContent)");
    browser.wait(
        "its curves are there",
        "[...document.querySelectorAll('figcaption')].some((text) => text.textContent.includes('onerror'))",
    );
    browser.wait(
        "its note is there",
        "[...document.querySelectorAll('main p')].some((text) => text.textContent.startsWith('<img src=x'))",
    );
    unharmed("a run");
    assert_eq!(browser.complaints(), [""; 0]);
}
