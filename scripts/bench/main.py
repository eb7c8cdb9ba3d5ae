"""Runs the sections and writes benches/RESULTS.md from the figures of all that were ever run here."""

import argparse
import datetime
import json
import os
import pathlib
import traceback

import cluster
import corpus
import events
import orchestration
import page
import scale
import search
import step_profile
import sweep
import training
from common import ROOT, WORK, say
from machine import commit, machine

SECTIONS = {
    "start": ("Command line", orchestration.start),
    "plan": ("Plan of a large grid", orchestration.plan),
    "noop": ("No-op runs, end to end", orchestration.noop),
    "search": ("Searches", search.measure),
    "slurm": ("Runs as jobs of Slurm", cluster.measure),
    "follow": ("A hundred live runs", orchestration.follow),
    "scale": ("SQL at scale", scale.measure),
    "page": ("The live page", page.measure),
    "events": ("Event files", events.measure),
    "corpus": ("Corpus preparation", corpus.measure),
    "training": ("Training", training.measure),
    "profile": ("Where a training step's time goes", step_profile.measure),
    "sweep": ("A whole sweep", sweep.measure),
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh")
    parser.add_argument("--only", metavar="NAME,...", help="sections to run")
    parser.add_argument("--quick", action="store_true", help="few shapes, few repeats")
    parser.add_argument("--images", type=pathlib.Path, metavar="DIR", help="a folder of images per class")
    parser.add_argument("--originals", type=pathlib.Path, metavar="DIR", help="large images, a folder per class")
    parser.add_argument("--repeats", type=int, help="of every measurement (5; with --quick 3)")
    parser.add_argument("--runs", metavar="NAME,...", help="of the sections training and profile: these of the 27 networks")
    parser.add_argument("--swept", type=pathlib.Path, metavar="DIR",
                        help="section sweep: tell of the experiment in this directory, which was run before")
    parser.add_argument("--list", action="store_true", help="list the sections")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (title, _) in SECTIONS.items():
            print(f"{name:12}{title}")
        return
    names = arguments.only.split(",") if arguments.only else list(SECTIONS)
    for name in names:
        if name not in SECTIONS:
            parser.error(f"no section `{name}`: {', '.join(SECTIONS)}")
    arguments.repeats = arguments.repeats or (3 if arguments.quick else 5)
    failed = []
    for name in names:
        say(f"section {name}")
        before = os.getloadavg()[0]
        try:
            rows, notes = SECTIONS[name][1](arguments)
        except Exception:  # One section that fails takes no other along; it is told, and the exit code tells it.
            traceback.print_exc()
            failed.append(name)
            continue
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        facts = {"rows": rows, "notes": notes, "when": now, "quick": arguments.quick,
                 "repeats": 1 if name == "sweep" else arguments.repeats, "load": [before, os.getloadavg()[0]], "commit": commit()}
        folder = WORK / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(facts, indent=1))
        write()
    if failed:
        raise SystemExit(f"bench: these sections failed: {', '.join(failed)}")


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write():
    """benches/RESULTS.md, from the figures that lie in the work folder."""
    results = {}
    for name in SECTIONS:
        path = WORK / "results" / f"{name}.json"
        if path.exists():
            results[name] = json.loads(path.read_text())
    lines = ["# Results of `scripts/bench.sh`", "", "Written by the script; do not edit. A ratio over 1 says how many "
             "times better Gridboard is, below 1 how much worse.", "", "## Machine and versions", "", *machine()]
    for name, facts in results.items():
        load = " to ".join(f"{value:.1f}" for value in facts["load"])
        quick = ", quick" if facts["quick"] else ""
        lines += ["", f"## {SECTIONS[name][0]}", "",
                  f"`scripts/bench.sh --only {name}`{quick}, {facts['when']}, commit {facts['commit']}, median of "
                  f"{facts['repeats']}, load average {load}.", "",
                  "| what | unit | Gridboard | rival | its figure | ratio | target |",
                  "|---|---|---:|---|---:|---:|---|"]
        for row in facts["rows"]:
            ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
            lines.append(f"| {row['what']} | {row['unit']} | {number(row['ours'])} | {row['name'] or '-'} | "
                         f"{number(row['rival'])} | {ratio} | {row['target']} |")
        lines += [""] + [f"- {note}" for note in facts["notes"]] if facts["notes"] else []
    slower = [(name, row) for name, facts in results.items() for row in facts["rows"]
              if row["ratio"] is not None and row["ratio"] < 1]
    lines += ["", "## What is slower than its rival", ""]
    lines += [f"- {SECTIONS[name][0]}, {row['what']}: {row['ratio']:.2f} of {row['name']}" for name, row in slower] \
        or ["Nothing of what was measured."]
    missing = [name for name in SECTIONS if name not in results]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    (ROOT / "benches" / "RESULTS.md").write_text("\n".join(lines) + "\n")
    say("wrote benches/RESULTS.md")


if __name__ == "__main__":
    main()
