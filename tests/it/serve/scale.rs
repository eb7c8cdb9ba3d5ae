//! Long curves and many runs: few points are sent, finer ones when somebody looks closer, and the browser keeps up.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    Served,
    made::{completed, curve},
    webdriver::Browser,
};

const LONG: &str = "experiment: long\nmodel: {family: command, run: ['true', '{x}']}\ngrid: {x: [1]}\n\
                    rank: {by: loss, goal: minimize}\n";

fn points(curve: &Value) -> Vec<(i64, f64)> {
    let steps = curve["steps"].as_array().expect("steps").iter().map(|step| step.as_i64().expect("a step"));
    let values = curve["values"].as_array().expect("values").iter();
    steps.zip(values.map(|value| value.as_f64().unwrap_or(f64::NAN))).collect()
}

#[test]
fn a_long_curve_comes_in_few_points_and_finer_from_close_by() {
    let value = |step: i64| if step == 123_456 { 50.0 } else { (step as f32 / 9_000.0).sin() };
    let project = completed(
        LONG,
        |_| None,
        |_, folder| {
            curve(folder, "loss", (0..200_000).map(|step| (step, value(step))));
        },
    );
    let Some(served) = Served::start(&project, &[]) else { return };
    let of_run = |range: &str| {
        points(&served.json(&format!("/api/run/curves?experiment=long&run=x-1{range}"))["curves"][0])
    };
    let of_all =
        |range: &str| points(&served.json(&format!("/api/curves?experiment=long{range}"))["curves"][0]);
    for whole in [of_run(""), of_all("")] {
        assert!((1_500..=3_000).contains(&whole.len()), "{}", whole.len());
        assert!(whole.contains(&(123_456, 50.0)), "a spike of one point");
        assert_eq!((whole[0].0, whole[whole.len() - 1].0), (0, 199_999));
    }
    for close in [of_run("&from=123000&to=124999"), of_all("&from=123000&to=124999")] {
        let all: Vec<(i64, f64)> = (123_000..125_000).map(|step| (step, f64::from(value(step)))).collect();
        assert_eq!(close, all, "every point");
    }
    // What it says besides is that nobody has run it.
    let verify = || project.run(&["verify"]).stdout;
    assert!(verify().contains("200000 points compared") && !verify().contains("chunk"), "{}", verify());
    let damage = "import sqlite3; at = sqlite3.connect('runs/gridboard.db'); at.execute('update _chunk set greatest = 60 where greatest = 50'); at.commit()";
    let done = Command::new("python3")
        .args(["-c", damage])
        .current_dir(project.path(""))
        .status()
        .expect("start python3");
    assert!(done.success());
    assert!(
        verify().contains("loss: the chunks that are kept of it are not those of its points"),
        "{}",
        verify()
    );
    project.run(&["index", "--rebuild"]).expect(0);
    assert!(!verify().contains("chunk"), "{}", verify());

    let Some(browser) = Browser::start() else { return };
    browser.go(&format!("http://127.0.0.1:{}/#/e/long/run/x-1", served.port));
    browser.wait("the curve is drawn", "document.querySelector('figure .u-over')");
    browser.run("window.asked = []; new PerformanceObserver((list) => window.asked.push(...list.getEntries().map((entry) => entry.name))).observe({type: 'resource'})");
    let place = browser.run(
        "const over = document.querySelector('figure .u-over'); over.scrollIntoView({block: 'center'});
         const box = over.getBoundingClientRect(); return [box.left + 100, box.left + 200, box.top + 60].map(Math.round)",
    );
    let at = |index: usize| place[index].as_i64().expect("a number");
    browser.drag((at(0), at(2)), (at(1), at(2)));
    browser.wait(
        "finer points are asked for",
        "window.asked.some((address) => /run.curves.*from=\\d+.*to=\\d+/.test(address))",
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn ten_thousand_runs_are_scrolled_and_filtered() {
    let values = (0..100).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
    let yaml = format!(
        "experiment: many\nmodel: {{family: command, run: ['true', '{{x}}', '{{y}}']}}\n\
         grid: {{x: [{values}], y: [{values}]}}\nrank: {{by: loss, goal: minimize}}\n"
    );
    let project = completed(
        &yaml,
        |_| None,
        |place, folder| {
            curve(folder, "loss", [(0, 1.0), (1, place as f32 / 10_000.0)]);
        },
    );
    let Some(served) = Served::start(&project, &[]) else { return };
    assert_eq!(
        served.json("/api/experiment?experiment=many")["strip"]["counts"],
        json!({"completed": 10_000})
    );
    let Some(browser) = Browser::start() else { return };
    browser.go(&format!("http://127.0.0.1:{}/", served.port));
    browser.wait(
        "the best run is first",
        "document.querySelector('.runs tbody tr[data-key] a')?.textContent === 'x-0-y-0'",
    );
    let rows = "document.querySelectorAll('.runs tbody tr[data-key]').length";
    assert!(
        browser.run(&format!("return {rows}")).as_i64().is_some_and(|rows| rows < 100),
        "only rows in sight are there"
    );
    browser.run("const box = document.querySelector('.scroll'); box.scrollTop = box.scrollHeight / 2");
    browser.wait(
        "the middle is shown",
        "[...document.querySelectorAll('.runs tbody a')].some((link) => link.textContent === 'x-50-y-0')",
    );
    browser.run("const box = document.querySelector('.scroll'); box.scrollTop = box.scrollHeight");
    browser.wait(
        "the last one is shown",
        "[...document.querySelectorAll('.runs tbody a')].at(-1).textContent === 'x-99-y-99'",
    );
    browser.run(
        "const filter = document.querySelector('#filter'); filter.value = 'x between 10 and 19 and y = 7 and loss < .15';
         filter.dispatchEvent(new Event('input'))",
    );
    browser.wait("the filter is done", &format!("{rows} === 5"));
    browser.wait("it is counted", "[...document.querySelectorAll('p[role=status]')].some((text) => /^5 of 10,?000 runs/.test(text.textContent))");
    browser.wait("its best curves are there", "document.querySelectorAll('.legend li').length === 5");
    assert_eq!(browser.complaints(), [""; 0]);
}
