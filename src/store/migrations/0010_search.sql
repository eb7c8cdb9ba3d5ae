-- The points that a search has suggested, and what stopping rules have decided of runs, as `search.jsonl` and the runs'
-- `attempts.jsonl` have them.

CREATE TABLE _point (
    experiment_id INTEGER NOT NULL REFERENCES _experiment (id),
    number        INTEGER NOT NULL,           -- from 0; its runs are at position number * seeds, and on
    suggestion    TEXT NOT NULL,              -- JSON, as the line of the file
    PRIMARY KEY (experiment_id, number)
) WITHOUT ROWID;

CREATE TABLE _decision (
    run_id  INTEGER NOT NULL REFERENCES _run (id),
    number  INTEGER NOT NULL,                 -- from 1, in the order of the log
    attempt INTEGER NOT NULL,
    epochs  INTEGER NOT NULL,                 -- epochs done
    action  TEXT NOT NULL CHECK (action IN ('goes_on', 'pauses', 'promoted', 'stops')),
    reason  TEXT NOT NULL,                    -- a sentence
    PRIMARY KEY (run_id, number)
) WITHOUT ROWID;
