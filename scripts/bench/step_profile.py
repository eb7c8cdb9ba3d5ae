"""Where the time of one training step goes, for each of the paper's networks: writes benches/PROFILE.md.

Not profile.py: the scripts beside it would import it in the place of Python's own.
"""

import json
import os

from common import ROOT, row, run, say
from machine import commit, machine


def measure(arguments):
    names = arguments.runs.split(",") if arguments.runs else []
    if arguments.quick and not names:
        names = ["1-conv-64-nodes-1-dense", "2-conv-64-nodes-1-dense", "3-conv-128-nodes-0-dense"]
    # Without the trainer: the kernels are of the library, and link no libtorch.
    command = ["cargo", "bench", "--quiet", "--no-default-features", "--bench", "profile", "--", "--json"]
    threads = dict(os.environ, GRIDBOARD_BENCH_THREADS=str(os.cpu_count()))
    full = answers(run([*command, *names], cwd=ROOT, env=threads))
    limits = full["limits"]
    halves = None
    if limits["bf16_flops"]:
        say("the same in bf16")
        later = [step["name"] for step in full["steps"] if not step["name"].startswith("1-conv")]
        halves = answers(run([*command, "--bf16", *later], cwd=ROOT, env=threads)) if later else None
    rows = []
    for step in full["steps"]:
        share = step["least"] / step["busy"] * 100
        rows.append(row(f"{step['name']}, a step", step["busy"] * 1e3, None, "", "ms",
                        target=f"the limits explain {share:.0f} %"))
    write(full, halves)
    notes = [f"The machine's limits, measured just before: {limits['flops'] / 1e9:.0f} GFLOP/s in fp32, "
             f"{limits['bytes'] / 1e9:.1f} GB/s, {limits['threads']} threads, {limits['instructions']}. benches/PROFILE.md has "
             "every stage."]
    return rows, notes


def answers(output):
    """The first line is the limits, the others are a step each."""
    limits, *steps = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {"limits": limits, "steps": steps}


def write(full, halves):
    limits = full["limits"]
    bf16 = f", {limits['bf16_flops'] / 1e9:.0f} GFLOP/s in bf16" if limits["bf16_flops"] else ""
    lines = [
        "# Where the time of a training step goes", "",
        f"Written by `scripts/bench.sh --only profile`; do not edit. Commit {commit()}.", "", *machine(),
        f"- Limits, measured in the same run on {limits['threads']} threads with {limits['instructions']}: "
        f"{limits['flops'] / 1e9:.0f} GFLOP/s in fp32{bf16}, {limits['bytes'] / 1e9:.1f} GB/s from and to memory", "",
        "32 images of 224 x 224, forwards, backwards and Adam. Times are processor time over the number of threads. \"Stood "
        "for\" is the dense arithmetic that a stage replaces; \"executed\" is what remains of it after Winograd's "
        "transformation, or after visiting only the winners of the pooling, with channels rounded up to whole vectors. Bytes "
        "are those that must come from or go to memory once. A stage that reaches 60 % of a limit is bound by it.", "",
        "## All networks", "",
        "| network | ms a step | GFLOP stood for | executed | GFLOP/s stood for | executed, % of peak | GB/s | least ms by "
        "the limits | share |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step in full["steps"]:
        busy = step["busy"]
        lines.append(
            f"| {step['name']} | {busy * 1e3:.1f} | {step['dense_flops'] / 1e9:.1f} | {step['executed_flops'] / 1e9:.1f} | "
            f"{step['dense_flops'] / busy / 1e9:.0f} | {step['executed_flops'] / busy / limits['flops'] * 100:.0f} | "
            f"{step['bytes'] / busy / 1e9:.1f} | {step['least'] * 1e3:.1f} | {step['least'] / busy * 100:.0f} % |")
    if halves:
        fp32 = {step["name"]: step for step in full["steps"]}
        lines += ["", "## bf16", "", "| network | ms a step, fp32 | bf16 | gain |", "|---|---:|---:|---:|"]
        for step in halves["steps"]:
            before = fp32[step["name"]]["busy"]
            lines.append(f"| {step['name']} | {before * 1e3:.1f} | {step['busy'] * 1e3:.1f} | {before / step['busy']:.2f} |")
    lines += ["", "## Stages, fp32", ""] + [step["markdown"] for step in full["steps"]]
    if halves:
        lines += ["## Stages, bf16", ""] + [step["markdown"] for step in halves["steps"]]
    path = ROOT / "benches" / "PROFILE.md"
    path.write_text("\n".join(lines).rstrip() + "\n")
    say(f"wrote {path.relative_to(ROOT)}")
