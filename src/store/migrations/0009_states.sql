-- Every state that a run and an attempt can be in, marks that users give to runs, and what an attempt's process is known by.
-- SQLite cannot alter a CHECK: the tables are made anew, with foreign keys off (see `schema.rs`), so that no row goes along.

CREATE TABLE _run_anew (
    id            INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES _experiment (id),
    position      INTEGER NOT NULL,           -- place in the grid, from 0
    name          TEXT NOT NULL,
    content_id    TEXT NOT NULL,
    axis_values   TEXT NOT NULL,              -- JSON array, null where the run has no such parameter
    parameters    TEXT NOT NULL,              -- JSON object
    seed          INTEGER NOT NULL,
    state         TEXT NOT NULL DEFAULT 'pending' CHECK (state IN
                      ('pending', 'running', 'paused', 'completed', 'reused', 'failed', 'cancelled', 'stopped')),
    attempts      INTEGER NOT NULL DEFAULT 0, -- number of the last attempt
    predictions   TEXT,                       -- relative to the runs directory
    -- What users say of it, as the run's `marks.json` has it.
    tags          TEXT NOT NULL DEFAULT '[]', -- JSON array of texts, sorted
    note          TEXT,
    archived      INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
    -- By name first, because users ask for a run by its name alone.
    UNIQUE (name, experiment_id),
    UNIQUE (experiment_id, content_id),
    CHECK (attempts > 0 OR state IN ('pending', 'cancelled', 'reused'))
);
INSERT INTO _run_anew
    (id, experiment_id, position, name, content_id, axis_values, parameters, seed, state, attempts, predictions)
SELECT id, experiment_id, position, name, content_id, axis_values, parameters, seed, state, attempts, predictions
FROM _run;
DROP TABLE _run;
ALTER TABLE _run_anew RENAME TO _run;
CREATE INDEX _run_place ON _run (experiment_id, position, state);
-- Whoever opens the database asks which experiments have runs that only a live sweep can have.
CREATE INDEX _run_running ON _run (experiment_id) WHERE state IN ('running', 'paused');

CREATE TABLE _attempt_anew (
    run_id       INTEGER NOT NULL REFERENCES _run (id),
    attempt      INTEGER NOT NULL CHECK (attempt > 0),
    -- `lost`: nobody saw it end, since its sweep or its supervisor was killed.
    state        TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'interrupted', 'lost')),
    -- The process: its id, 0 where it could not be started, its start in clock ticks since the boot, and the boot.
    pid          INTEGER NOT NULL,
    pid_start    INTEGER,
    boot_id      TEXT,
    host         TEXT NOT NULL,
    slot         TEXT NOT NULL,
    device       TEXT NOT NULL,
    threads      INTEGER,
    started      REAL NOT NULL,
    finished     REAL,                        -- NULL while it runs, and where nobody saw it end
    resumed_from INTEGER,                     -- epoch or step; NULL where it began anew
    failure      TEXT,                        -- kind
    reason       TEXT,
    evidence     TEXT,                        -- JSON
    log_tail     TEXT,
    problem      TEXT,
    peak_memory  INTEGER,                     -- bytes
    peak_device_memory INTEGER,               -- bytes
    -- Its own alone, not those of the attempts that it goes on with.
    core_seconds REAL,
    training_seconds REAL,
    training_core_seconds REAL,
    validation_seconds REAL,
    validation_core_seconds REAL,
    PRIMARY KEY (run_id, attempt),
    CHECK ((state IN ('failed', 'lost')) = (failure IS NOT NULL)),
    CHECK ((failure IS NULL) = (reason IS NULL)),
    CHECK (state <> 'lost' OR failure = 'lost')
) WITHOUT ROWID;
INSERT INTO _attempt_anew
    (run_id, attempt, state, pid, host, slot, device, threads, started, finished, resumed_from, failure, reason, evidence,
     log_tail, problem, peak_memory, peak_device_memory, core_seconds, training_seconds, training_core_seconds,
     validation_seconds, validation_core_seconds)
SELECT run_id, attempt,
       CASE WHEN state = 'interrupted' AND finished IS NULL THEN 'lost'
            WHEN failure = 'lost' THEN 'lost' ELSE state END,
       pid, host, slot, device, threads, started, finished, resumed_from,
       CASE WHEN state = 'interrupted' AND finished IS NULL THEN 'lost' ELSE failure END,
       CASE WHEN state = 'interrupted' AND finished IS NULL THEN 'its sweep was killed' ELSE reason END,
       evidence, log_tail, problem, peak_memory, peak_device_memory, core_seconds, training_seconds, training_core_seconds,
       validation_seconds, validation_core_seconds
FROM _attempt;
DROP TABLE _attempt;
ALTER TABLE _attempt_anew RENAME TO _attempt;
