-- How sure results are. The program fills what old databases can tell (see `statistics.rs`).

-- Beside the confusion counts: how many of the validation images a run has right, the 95 % Wilson interval of that share,
-- and a bit for each image, for the tests between runs.
CREATE TABLE _validation (
    run_id    INTEGER PRIMARY KEY REFERENCES _run (id),
    images    INTEGER NOT NULL,
    correct   INTEGER NOT NULL,
    low       REAL,                           -- NULL without images
    high      REAL,
    image_set BLOB,                           -- BLAKE3 of names and labels; NULL where the predictions are unknown
    hits      BLOB,                           -- a bit for each image by name: 1 where it is right
    CHECK ((image_set IS NULL) = (hits IS NULL))
);

-- What needs a look at many runs or at a whole curve: kept when a sweep ends and when a report is made, so that a finished
-- run stays cheap.
CREATE TABLE _statistic (
    run_id     INTEGER PRIMARY KEY REFERENCES _run (id),
    best_epoch INTEGER,                       -- of the rule's first metric
    best_value REAL,
    first_id   INTEGER REFERENCES _run (id),  -- the run that was rank 1
    p          REAL,                          -- exact McNemar against it
    standing   TEXT
);

CREATE TABLE _grid_point (
    experiment_id INTEGER NOT NULL REFERENCES _experiment (id),
    position      INTEGER NOT NULL,           -- of its first run
    name          TEXT NOT NULL,
    axis_values   TEXT NOT NULL,              -- JSON array
    rank          INTEGER,                    -- from 1, by the mean
    seeds         INTEGER NOT NULL,           -- that rank
    wanted        INTEGER NOT NULL,
    completed     INTEGER NOT NULL,           -- runs of the experiment that were completed when this was worked out
    by_mean       REAL,
    by_deviation  REAL,
    then_mean     REAL,
    then_deviation REAL,
    train_accuracy_mean REAL,
    train_accuracy_deviation REAL,
    train_loss_mean REAL,
    train_loss_deviation REAL,
    validation_accuracy_mean REAL,
    validation_accuracy_deviation REAL,
    validation_loss_mean REAL,
    validation_loss_deviation REAL,
    best_mean     REAL,
    best_deviation REAL,
    p             REAL,
    tests         INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, position)
) WITHOUT ROWID;

DROP VIEW leaderboard;
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
       v.low AS validation_accuracy_low,
       v.high AS validation_accuracy_high,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = (SELECT id FROM _tag WHERE name = 'validation/epoch_loss')) AS validation_loss,
       v.images AS validation_images,
       q.best_epoch,
       q.best_value,
       -- Only as long as the run that it was tested against is still the best.
       CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.p END AS mcnemar_p,
       CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.standing END AS against_best,
       CASE WHEN k.rank IS NULL THEN coalesce(
           k.reason,
           CASE r.state WHEN 'pending' THEN 'not run yet' WHEN 'running' THEN 'is being run' END
       ) END AS reason
FROM _run r
JOIN _experiment e ON e.id = r.experiment_id
LEFT JOIN _ranking k ON k.run_id = r.id
LEFT JOIN _validation v ON v.run_id = r.id
LEFT JOIN _statistic q ON q.run_id = r.id
ORDER BY e.name, k.rank IS NULL, k.rank, r.position;

-- Not shown once another run has ended: `gridboard report` and the end of the sweep bring it back.
DROP VIEW IF EXISTS grid_points;
CREATE VIEW grid_points AS
SELECT e.name AS experiment,
       g.rank,
       g.name AS grid_point,
       g.seeds,
       g.wanted AS seeds_wanted,
       g.train_accuracy_mean,
       g.train_accuracy_deviation,
       g.train_loss_mean,
       g.train_loss_deviation,
       g.validation_accuracy_mean,
       g.validation_accuracy_deviation,
       g.validation_loss_mean,
       g.validation_loss_deviation,
       g.by_mean,
       g.by_deviation,
       g.best_mean,
       g.best_deviation,
       g.p AS mcnemar_p,
       g.axis_values
FROM _grid_point g
JOIN _experiment e ON e.id = g.experiment_id
JOIN (SELECT experiment_id, count(CASE state WHEN 'completed' THEN 1 END) AS completed
      FROM _run GROUP BY experiment_id) c
  ON c.experiment_id = g.experiment_id AND c.completed = g.completed
ORDER BY e.name, g.rank IS NULL, g.rank, g.position;
