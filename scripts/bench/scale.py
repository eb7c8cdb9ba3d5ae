"""A database of 10,000 runs and 20 million points: `cargo bench --bench scale`, then the commands on it."""

import json
import os

from common import PROGRAM, ROOT, WORK, alternately, fresh, row, run, say, seconds


def measure(arguments):
    runs, points = (1_000, 2_000) if arguments.quick else (10_000, 2_000)
    folder = fresh("scale")
    say(f"writing {runs * points:,} points")
    facts = json.loads(run(["cargo", "bench", "--quiet", "--no-default-features", "--bench", "scale", "--", folder, runs,
                            points], cwd=ROOT, env=dict(os.environ)))
    known = json.loads(run([PROGRAM, "--runs-dir", folder, "sql", "--format", "json",
                            f"select run from runs where position = {runs // 2}"]))
    name = known[0]["run"]
    history = f"select tag, step, value from history where run = '{name}'"
    commands = {"top": ["top"], "show": ["show", name], "history": ["sql", history]}
    work = {key: (lambda words=words: seconds([PROGRAM, "--runs-dir", folder, *words]) * 1e3)
            for key, words in commands.items()}
    times = alternately(3 * arguments.repeats, **work)
    at = f"{runs:,} runs, {runs * points / 1e6:.0f} M scalars"
    rows = [row(f"`gridboard {key}`, {at}", value, None, "", "ms", target="< 50") for key, value in times.items()]
    rows += [
        row("ingest", facts["ingest_scalars_per_s"], None, "", "scalars/s", False, "> 300,000"),
        row("ranking all runs, no rank moved", facts["same_ranks_s"] * 1e3, None, "", "ms"),
        row("whole leaderboard, in process", facts["leaderboard_ms"], None, "", "ms"),
        row("database", facts["database_bytes"] / 1e6, None, "", "MB"),
        row("database a scalar", facts["bytes_per_scalar"], None, "", "bytes"),
        row("follower, 100 runs that log", facts["follow_100_busy_percent_of_a_core"], None, "", "% of a core",
            target="< 2"),
    ]
    return rows, ["`history` prints every point of one run. Commands are timed as whole processes.",
                  f"The database is left in `{folder.relative_to(ROOT)}`."]
