//! `launcher`: who executes the runs.

use super::section::{Section, must_be, scalar, text};
use crate::{
    base::secret,
    spec::{
        SlurmPlan, Value,
        problem::Problems,
        size,
        yaml::{Content, Node},
    },
};

/// The keys of `launcher.slurm`.
const KEYS: [&str; 10] =
    ["partition", "account", "gpus", "cpus", "memory", "time", "at_once", "setup", "check", "options"];

/// Reads `launcher`; `None` for this machine.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> Option<SlurmPlan> {
    let entry = top.given("launcher")?;
    match text(&entry.value) {
        Some("local") => return None,
        Some("slurm") => return Some(SlurmPlan::default()),
        Some(_) => {
            must_be("`launcher`", "`local`, `slurm` or `{slurm: {..}}`", &entry.value, problems);
            return None;
        }
        None => {}
    }
    let section = Section::open(&entry.value, "launcher", &entry.place, problems)?;
    section.only(&["slurm"], problems);
    let Some(entry) = section.entry("slurm") else {
        section.missing("slurm", "a mapping such as {partition: gpu, gpus: 1}", problems);
        return None;
    };
    let section = Section::open(&entry.value, "launcher.slurm", &entry.place, problems)?;
    Some(slurm(&section, problems))
}

fn slurm(section: &Section<'_>, problems: &mut Problems) -> SlurmPlan {
    section.only(&KEYS, problems);
    let mut plan = SlurmPlan::default();
    let most = SlurmPlan::MOST_OF_A_NODE;
    let word = |key: &str, problems: &mut Problems| {
        section.given(key)?;
        section.take(key, "text without spaces", problems, |node| text(node).filter(|text| is_word(text)))
    };
    plan.partition = word("partition", problems).map(str::to_owned);
    plan.account = word("account", problems).map(str::to_owned);
    let number = |key: &str, least, most, problems: &mut Problems| {
        section.given(key)?;
        section.u32(key, least, most, problems)
    };
    plan.gpus = number("gpus", 0, most, problems).unwrap_or(plan.gpus);
    plan.cpus = number("cpus", 1, most, problems).unwrap_or(plan.cpus);
    plan.at_once = number("at_once", 1, SlurmPlan::MOST_AT_ONCE, problems).unwrap_or(plan.at_once);
    if section.given("memory").is_some() {
        let expected = "a size from 1MiB on, as `900MiB` or `32GiB`";
        plan.memory = section.take("memory", expected, problems, |node| {
            text(node).and_then(size::parse).filter(|bytes| *bytes >= 1 << 20)
        });
    }
    if section.given("time").is_some() {
        let expected = "a duration such as `90m`, `8h` or `2d`, from one minute on";
        plan.time = section.take("time", expected, problems, |node| {
            text(node)?
                .parse()
                .ok()
                .filter(|time: &crate::spec::SpecDuration| time.duration().as_secs() >= 60)
        });
    }
    let line = |node| text(node).filter(|line| !line.is_empty() && !line.contains(['\n', '\0']));
    if section.given("setup").is_some()
        && let Some(lines) = section.list("setup", "line of shell", problems, line)
    {
        plan.setup = lines.into_iter().map(str::to_owned).collect();
    }
    if section.given("check").is_some() {
        plan.check = section.bool("check", problems).unwrap_or(plan.check);
    }
    if let Some(entry) = section.given("options") {
        options(&entry.value, &mut plan, problems);
    }
    for line in plan.setup.iter() {
        if let Some(kind) = secret::in_value("", line)
            && let Some(entry) = section.entry("setup")
        {
            problems.add(&entry.place, format!("`launcher.slurm.setup` {}", super::env::refusal(kind)));
        }
    }
    plan
}

fn options(node: &Node, plan: &mut SlurmPlan, problems: &mut Problems) {
    let Content::Mapping(entries) = &node.content else {
        must_be("`launcher.slurm.options`", "a mapping such as {qos: normal}", node, problems);
        return;
    };
    for entry in entries {
        let key = entry.key.trim_start_matches('-').replace('_', "-");
        let path = format!("launcher.slurm.options.{}", entry.key);
        if let Some((_, what)) = SlurmPlan::OWN_OPTIONS.iter().find(|(own, _)| *own == key) {
            problems.add(&entry.place, format!("`{path}`: `--{key}` {what}"));
        } else if key.len() < 2 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            problems.add(&entry.place, format!("`{path}` is no long option of sbatch"));
        } else {
            match scalar(&entry.value) {
                Some(Value::Bool(true)) => drop(plan.options.insert(key, String::new())),
                Some(Value::Bool(false)) => drop(plan.options.remove(&key)),
                Some(value) if !value.to_string().contains(['\n', '\0']) => {
                    plan.options.insert(key, value.to_string());
                }
                _ => must_be(&format!("`{path}`"), "a single value", &entry.value, problems),
            }
        }
    }
}

/// Whether a text is one word, fit for a line of `#SBATCH`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(|letter| letter.is_ascii_graphic())
}
