//! The page in a real browser: during a live sweep, its filters, its address, its keyboard, and names that mean harm.

use super::{Served, finished, go, stepping, webdriver::Browser};
use crate::support::wait_until;

/// Names of the runs of the table that are in sight, in their order.
const NAMES: &str =
    "[...document.querySelectorAll('.runs tbody tr[data-key] a')].map((link) => link.textContent)";

fn names(browser: &Browser) -> Vec<String> {
    let names = browser.run(&format!("return {NAMES}"));
    names.as_array().expect("names").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_live_sweep_grows_ends_and_takes_its_ranks() {
    let project = stepping(3);
    let Some(browser) = Browser::start() else { return };
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("both runs are being run", || {
        project.path("runs/live/x-0.5/worker.log").exists()
            && project.path("runs/live/x-0.75/worker.log").exists()
    });
    let Some(served) = Served::start(&project, &[]) else { return super::end(&mut sweep) };
    let page = format!("http://127.0.0.1:{}/", served.port);
    // The only experiment is shown at once.
    browser.go(&page);
    browser.wait(
        "the strip counts what runs",
        "/2 running/.test(document.querySelector('.strip')?.textContent)",
    );
    browser.wait("the page listens", "document.querySelector('#live').textContent === 'live'");
    browser.run("window.stays = true");
    go(&project, 0);
    browser.wait("a curve has begun", "document.querySelectorAll('.legend li').length === 2");
    let step =
        "[...document.querySelectorAll('.runs tbody tr[data-key]')].map((row) => row.textContent).join()";
    go(&project, 1);
    browser.wait("the curve has grown", &format!("/0\\.5000/.test({step})"));
    go(&project, 2);
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0));
    browser.wait("the runs have ended", "/2 completed/.test(document.querySelector('.strip').textContent)");
    browser.wait("the best run is named", "document.querySelector('.best a')?.textContent === 'x-0.75'");
    browser.wait("the better run is first", &format!("{NAMES}[0] === 'x-0.75'"));
    assert_eq!(browser.run("return window.stays"), true, "the page was not loaded again");

    // A log that means harm is text, and nothing else.
    browser.run("document.querySelector('.runs tbody a').click()");
    browser.wait("the run's page is there", "/epoch 2/.test(document.querySelector('pre.log')?.textContent)");
    let log = browser.run("return document.querySelector('pre.log').textContent");
    let log = log.as_str().expect("text");
    assert!(
        log.contains("<script>window.evil = 1</script>")
            && !log.contains('\u{1b}')
            && !log.contains('\u{202e}'),
        "{log}"
    );
    assert_eq!(
        browser.run("return [typeof window.evil, document.querySelectorAll('pre script').length].join()"),
        "undefined,0"
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn what_is_filtered_stands_in_the_address_and_comes_back_with_it() {
    let project = finished();
    let Some(browser) = Browser::start() else { return };
    let Some(served) = Served::start(&project, &[]) else { return };
    let page = format!("http://127.0.0.1:{}/#/e/done", served.port);
    browser.go(&page);
    browser.wait("all runs are there", &format!("{NAMES}.length === 6"));
    browser.run(
        "const filter = document.querySelector('#filter'); filter.value = 'y = 2 and validation_accuracy > .55';
         filter.dispatchEvent(new Event('input'))",
    );
    browser.wait("the filter is done", &format!("{NAMES}.length === 2"));
    assert_eq!(names(&browser), ["x-0.7-y-2", "x-0.6-y-2"]);
    browser.run("document.querySelector('#filter').value = 'z ='; document.querySelector('#filter').dispatchEvent(new Event('input'))");
    browser.wait(
        "a mistake is said",
        "/there is no column \"z\"/.test(document.querySelector('#filter-problem').textContent)",
    );
    browser.run("document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'))");
    browser.wait("all runs are back", &format!("{NAMES}.length === 6"));

    // The best third of the axis `x`, which is the first dimension: its words are 0.5, 0.6 and 0.7 from below.
    let place = browser.run(
        "const canvas = document.querySelector('canvas.parallel'); canvas.scrollIntoView({block: 'center'});
         const box = canvas.getBoundingClientRect(); return [box.left + 48, box.top + 40, box.top + 110].map(Math.round)",
    );
    let at = |index: usize| place[index].as_i64().expect("a number");
    browser.drag((at(0), at(1)), (at(0), at(2)));
    browser.wait("the brush filters", &format!("{NAMES}.length === 2"));
    assert!(names(&browser).iter().all(|name| name.starts_with("x-0.7")), "{:?}", names(&browser));
    browser.run("[...document.querySelectorAll('.runs thead button')].find((button) => button.textContent.startsWith('y')).click()");
    browser.wait("the table is sorted", &format!("{NAMES}[0] === 'x-0.7-y-1'"));
    let address = browser.run("return location.href");
    let address = address.as_str().expect("an address");
    assert!(address.contains("brush=") && address.contains("sort=y"), "{address}");
    browser.go("about:blank");
    browser.go(address);
    browser.wait("the address brings the view back", &format!("{NAMES}.join() === 'x-0.7-y-1,x-0.7-y-2'"));

    // The brush by the keyboard: to the second dimension and its lower end up a word, then away with it, and with the first one.
    let filtered = |count: usize, what: &str| browser.wait(what, &format!("{NAMES}.length === {count}"));
    browser.run("document.querySelector('canvas.parallel').focus()");
    browser.keys("\u{e014}\u{e013}");
    filtered(1, "the key filters");
    browser.keys("\u{e017}");
    filtered(2, "the second filter is gone");
    browser.keys("\u{e012}\u{e017}");
    filtered(6, "all filters are gone");
    browser.go("about:blank");
    browser.go(address);
    filtered(2, "the view is there again");

    // By the keyboard: to the second row, and into it.
    browser.run("document.querySelector('.runs tbody tr[data-key]').focus()");
    browser.keys("\u{e015}\u{e007}");
    browser.wait("the run's page is there", "document.querySelector('h1')?.textContent === 'x-0.7-y-2'");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_change_needs_the_token_of_the_address_and_two_runs_are_compared() {
    let project = finished();
    let Some(browser) = Browser::start() else { return };
    let Some(served) = Served::start(&project, &["--private"]) else { return };
    browser.go(&format!("http://127.0.0.1:{}/#token={}", served.port, served.token));
    browser.wait("all runs are there", &format!("{NAMES}.length === 6"));
    let address = browser.run("return location.href").to_string();
    assert!(!address.contains(&served.token), "the token is left in the address: {address}");
    browser.run("document.querySelectorAll('.runs tbody input')[0].click()");
    browser.run(
        "[...document.querySelectorAll('button')].find((button) => button.textContent === 'Tag').click()",
    );
    browser.wait("a tag is asked for", "document.querySelector('dialog[open] input')");
    browser.keys("kept\u{e007}");
    browser.wait("the tag is shown", "document.querySelector('.runs .tag')?.textContent === 'kept'");
    assert_eq!(project.sql("select count(*) as n from runs where tags like '%kept%'")[0]["n"], 1);
    browser.run("document.querySelectorAll('.runs tbody input')[3].click()");
    browser.run(
        "[...document.querySelectorAll('button')].find((button) => button.textContent === 'Compare').click()",
    );
    browser.wait("both are compared", "/2 runs of done/.test(document.querySelector('h1')?.textContent)");
    browser.wait("their curves are there", "document.querySelectorAll('figure canvas').length >= 4");
    assert_eq!(browser.complaints(), [""; 0]);
}
