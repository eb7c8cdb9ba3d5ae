-- Base tables begin with an underscore: experiment names begin with a letter, so the view of an experiment never meets
-- a table. They may change; the views below are the contract. No STRICT and no NULLS LAST, so that the `sqlite3` of an
-- older system reads the file as well.

CREATE TABLE _experiment (
    id          INTEGER PRIMARY KEY,
    -- SQLite's identifiers and some file systems take no notice of case.
    name        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    spec        TEXT NOT NULL,                -- JSON of spec::Experiment
    axes        TEXT NOT NULL,                -- JSON array of the axes' names, the order of _run.axis_values
    fingerprint TEXT,                         -- content id of the corpus and its split
    created     REAL NOT NULL                 -- times are seconds since 1970
);

CREATE TABLE _run (
    id            INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES _experiment (id),
    position      INTEGER NOT NULL,           -- place in the grid, from 0
    name          TEXT NOT NULL,
    content_id    TEXT NOT NULL,
    axis_values   TEXT NOT NULL,              -- JSON array, null where the run has no such parameter
    parameters    TEXT NOT NULL,              -- JSON object
    seed          INTEGER NOT NULL,
    state         TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    attempts      INTEGER NOT NULL DEFAULT 0, -- number of the last attempt
    predictions   TEXT,                       -- relative to the runs directory
    -- By name first, because users ask for a run by its name alone.
    UNIQUE (name, experiment_id),
    UNIQUE (experiment_id, content_id),
    CHECK (attempts > 0 OR state = 'pending')
);

-- Rows of runs are wide; counts by state and lists in grid order read this instead.
CREATE INDEX _run_place ON _run (experiment_id, position, state);

CREATE TABLE _attempt (
    run_id       INTEGER NOT NULL REFERENCES _run (id),
    attempt      INTEGER NOT NULL CHECK (attempt > 0),
    state        TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'interrupted')),
    pid          INTEGER NOT NULL,
    slot         TEXT NOT NULL,
    device       TEXT NOT NULL,
    host         TEXT NOT NULL,
    started      REAL NOT NULL,
    finished     REAL,                        -- NULL while it runs, and where nobody saw it end
    failure      TEXT,                        -- kind
    reason       TEXT,
    log_tail     TEXT,
    peak_memory  INTEGER,                     -- bytes
    PRIMARY KEY (run_id, attempt),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK ((failure IS NULL) = (reason IS NULL))
) WITHOUT ROWID;

CREATE TABLE _tag (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- A row whose value is NULL is a point that is NaN (SQLite has no NaN); a point that was never written has no row.
-- Infinities are stored as they are. No foreign keys: every row costs two look-ups with them, and only the store writes.
CREATE TABLE _scalar (
    run_id    INTEGER NOT NULL,
    tag_id    INTEGER NOT NULL,
    step      INTEGER NOT NULL,
    value     REAL,
    wall_time REAL,
    PRIMARY KEY (run_id, tag_id, step)
) WITHOUT ROWID;

-- The point of each curve at its highest step, kept with every batch: leaderboards never touch the curves.
CREATE TABLE _latest (
    run_id INTEGER NOT NULL,
    tag_id INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    value  REAL,
    PRIMARY KEY (run_id, tag_id)
) WITHOUT ROWID;

CREATE TABLE _class_metric (
    run_id      INTEGER NOT NULL REFERENCES _run (id),
    class_index INTEGER NOT NULL,
    class       TEXT NOT NULL,
    support     INTEGER NOT NULL,
    precision   REAL NOT NULL,
    recall      REAL NOT NULL,
    f1          REAL NOT NULL,
    PRIMARY KEY (run_id, class_index)
) WITHOUT ROWID;

CREATE TABLE _confusion (
    run_id          INTEGER NOT NULL REFERENCES _run (id),
    true_class      INTEGER NOT NULL,
    predicted_class INTEGER NOT NULL,
    images          INTEGER NOT NULL,
    PRIMARY KEY (run_id, true_class, predicted_class)
) WITHOUT ROWID;

-- Apart from _run because one finished run moves the rank of many, and these rows are small.
CREATE TABLE _ranking (
    run_id INTEGER PRIMARY KEY REFERENCES _run (id),
    rank   INTEGER,                           -- from 1
    reason TEXT,                              -- why it does not rank
    CHECK ((rank IS NULL) <> (reason IS NULL))
);

CREATE VIEW experiments AS
SELECT e.name AS experiment,
       e.created,
       count(r.id) AS runs,
       count(CASE r.state WHEN 'pending' THEN 1 END) AS pending,
       count(CASE r.state WHEN 'running' THEN 1 END) AS running,
       count(CASE r.state WHEN 'completed' THEN 1 END) AS completed,
       count(CASE r.state WHEN 'failed' THEN 1 END) AS failed,
       e.fingerprint,
       e.spec
FROM _experiment e LEFT JOIN _run r ON r.experiment_id = e.id
GROUP BY e.id;

CREATE VIEW runs AS
SELECT e.name AS experiment,
       r.name AS run,
       r.state,
       r.seed,
       r.attempts,
       a.started,
       a.finished,
       a.finished - a.started AS seconds,
       a.device,
       a.slot,
       a.host,
       a.failure,
       a.reason,
       a.peak_memory,
       e.name || '/' || r.name AS directory,
       r.predictions,
       r.parameters,
       r.content_id AS id,
       r.position
FROM _run r
JOIN _experiment e ON e.id = r.experiment_id
LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts;

CREATE VIEW attempts AS
SELECT e.name AS experiment,
       r.name AS run,
       a.attempt,
       a.state,
       a.started,
       a.finished,
       a.finished - a.started AS seconds,
       a.device,
       a.slot,
       a.host,
       a.pid,
       a.failure,
       a.reason,
       a.log_tail,
       a.peak_memory
FROM _attempt a
JOIN _run r ON r.id = a.run_id
JOIN _experiment e ON e.id = r.experiment_id;

-- _latest has one row per curve, so the curves are chosen before any point is read: CROSS JOIN is SQLite's word for "in
-- this order".
CREATE VIEW history AS
SELECT e.name AS experiment, r.name AS run, t.name AS tag, s.step, s.value, s.wall_time
FROM _experiment e
JOIN _run r ON r.experiment_id = e.id
JOIN _latest l ON l.run_id = r.id
JOIN _tag t ON t.id = l.tag_id
CROSS JOIN _scalar s ON s.run_id = l.run_id AND s.tag_id = l.tag_id;

CREATE VIEW class_metrics AS
SELECT e.name AS experiment, r.name AS run, c.class_index, c.class, c.support, c.precision, c.recall, c.f1
FROM _class_metric c
JOIN _run r ON r.id = c.run_id
JOIN _experiment e ON e.id = r.experiment_id;

CREATE VIEW confusion AS
SELECT e.name AS experiment, r.name AS run, t.class AS true_class, p.class AS predicted_class, c.images
FROM _confusion c
JOIN _run r ON r.id = c.run_id
JOIN _experiment e ON e.id = r.experiment_id
JOIN _class_metric t ON t.run_id = c.run_id AND t.class_index = c.true_class
JOIN _class_metric p ON p.run_id = c.run_id AND p.class_index = c.predicted_class;

CREATE VIEW leaderboard AS
SELECT e.name AS experiment,
       k.rank,
       r.name AS run,
       r.state,
       r.seed,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = (SELECT id FROM _tag WHERE name = 'train/epoch_accuracy')) AS train_accuracy,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = (SELECT id FROM _tag WHERE name = 'train/epoch_loss')) AS train_loss,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = (SELECT id FROM _tag WHERE name = 'validation/epoch_accuracy')) AS validation_accuracy,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = (SELECT id FROM _tag WHERE name = 'validation/epoch_loss')) AS validation_loss,
       CASE WHEN k.rank IS NULL THEN coalesce(
           k.reason,
           CASE r.state WHEN 'pending' THEN 'not run yet' WHEN 'running' THEN 'is being run' END
       ) END AS reason
FROM _run r
JOIN _experiment e ON e.id = r.experiment_id
LEFT JOIN _ranking k ON k.run_id = r.id
ORDER BY e.name, k.rank IS NULL, k.rank, r.position;
