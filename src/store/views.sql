-- The views that every database has: the contract with users, whose columns are documented in `mod.rs`. The program makes
-- them anew after every migration, and in a database whose views are another program's; the tables are the migrations'. The
-- view of an experiment's own name depends on its axes and is made by `experiment_view.rs`.
--
-- What a run is, is `_run.state` and nothing else: whoever opens the database sees to it that a run whose sweep is dead is
-- not `running` there.

CREATE VIEW experiments AS
SELECT e.name AS experiment,
       e.created,
       strftime('%Y-%m-%dT%H:%M:%SZ', e.created, 'unixepoch') AS created_at,
       count(r.id) AS runs,
       count(CASE r.state WHEN 'pending' THEN 1 END) AS pending,
       count(CASE r.state WHEN 'running' THEN 1 END) AS running,
       count(CASE r.state WHEN 'paused' THEN 1 END) AS paused,
       count(CASE r.state WHEN 'completed' THEN 1 END) AS completed,
       count(CASE r.state WHEN 'reused' THEN 1 END) AS reused,
       count(CASE r.state WHEN 'failed' THEN 1 END) AS failed,
       count(CASE r.state WHEN 'cancelled' THEN 1 END) AS cancelled,
       count(CASE r.state WHEN 'stopped' THEN 1 END) AS stopped,
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
       strftime('%Y-%m-%dT%H:%M:%SZ', a.started, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.finished, 'unixepoch') AS finished_at,
       a.finished - a.started AS seconds,
       -- Empty where it is not known: of version 0.1, and imported.
       NULLIF(a.device, '') AS device,
       NULLIF(a.slot, '') AS slot,
       NULLIF(a.host, '') AS host,
       a.job,
       a.failure,
       a.reason,
       a.evidence,
       a.problem,
       a.resumed_from,
       a.peak_memory,
       a.peak_device_memory,
       a.threads,
       a.core_seconds,
       a.training_seconds,
       a.training_core_seconds,
       a.validation_seconds,
       a.validation_core_seconds,
       -- When the last point of its curves was written, and while it runs how long that is ago. CROSS JOIN as in `history`:
       -- SQLite by itself reads every point of the run.
       (SELECT max(s.wall_time) FROM _latest l
           CROSS JOIN _scalar s ON s.run_id = l.run_id AND s.tag_id = l.tag_id AND s.step = l.step WHERE l.run_id = r.id) AS last_point,
       CASE r.state WHEN 'running' THEN (julianday('now') - 2440587.5) * 86400.0 - (SELECT max(s.wall_time) FROM _latest l
           CROSS JOIN _scalar s ON s.run_id = l.run_id AND s.tag_id = l.tag_id AND s.step = l.step WHERE l.run_id = r.id)
       END AS last_point_age,
       r.tags,
       r.note,
       r.archived,
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
       strftime('%Y-%m-%dT%H:%M:%SZ', a.started, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.finished, 'unixepoch') AS finished_at,
       a.finished - a.started AS seconds,
       NULLIF(a.device, '') AS device,
       NULLIF(a.slot, '') AS slot,
       NULLIF(a.host, '') AS host,
       a.job,
       NULLIF(a.pid, 0) AS pid,
       a.pid_start,
       a.boot_id,
       a.failure,
       a.reason,
       a.evidence,
       a.problem,
       a.resumed_from,
       a.log_tail,
       a.peak_memory,
       a.peak_device_memory,
       a.threads,
       a.core_seconds,
       a.training_seconds,
       a.training_core_seconds,
       a.validation_seconds,
       a.validation_core_seconds
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

CREATE VIEW leaderboard AS
SELECT e.name AS experiment,
       k.rank,
       r.name AS run,
       r.state,
       r.seed,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = coalesce((SELECT tag_id FROM _series WHERE run_id = r.id AND wanted = 'train/epoch_accuracy'),
               (SELECT id FROM _tag WHERE name = 'train/epoch_accuracy'))) AS train_accuracy,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = coalesce((SELECT tag_id FROM _series WHERE run_id = r.id AND wanted = 'train/epoch_loss'),
               (SELECT id FROM _tag WHERE name = 'train/epoch_loss'))) AS train_loss,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = coalesce((SELECT tag_id FROM _series WHERE run_id = r.id AND wanted = 'validation/epoch_accuracy'),
               (SELECT id FROM _tag WHERE name = 'validation/epoch_accuracy'))) AS validation_accuracy,
       v.low AS validation_accuracy_low,
       v.high AS validation_accuracy_high,
       (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = coalesce((SELECT tag_id FROM _series WHERE run_id = r.id AND wanted = 'validation/epoch_loss'),
               (SELECT id FROM _tag WHERE name = 'validation/epoch_loss'))) AS validation_loss,
       v.images AS validation_images,
       -- Of two classes alone; the positive one is the last.
       CASE WHEN d.classes = 2 AND d.positive > 0 THEN d.sensitivity END AS validation_sensitivity,
       CASE WHEN d.classes = 2 AND d.negative > 0 THEN d.specificity END AS validation_specificity,
       CASE WHEN d.classes = 2 THEN coalesce(v.auc, (SELECT value FROM _latest WHERE run_id = r.id
           AND tag_id = (SELECT id FROM _tag WHERE name = 'validation/auc'))) END AS validation_auc,
       q.best_epoch,
       q.best_value,
       -- Only as long as the run that it was tested against is still the best.
       CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.p END AS mcnemar_p,
       CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.standing END AS against_best,
       CASE WHEN k.rank IS NULL THEN coalesce(
           k.reason,
           CASE r.state WHEN 'pending' THEN 'not run yet' WHEN 'running' THEN 'is being run' WHEN 'paused' THEN 'is paused'
               WHEN 'cancelled' THEN 'was cancelled' WHEN 'stopped' THEN 'was ended by a stopping rule' END
       ) END AS reason
FROM _run r
JOIN _experiment e ON e.id = r.experiment_id
LEFT JOIN _ranking k ON k.run_id = r.id
LEFT JOIN _validation v ON v.run_id = r.id
LEFT JOIN (SELECT run_id, count(*) AS classes,
                  max(CASE class_index WHEN 1 THEN support END) AS positive,
                  max(CASE class_index WHEN 1 THEN recall END) AS sensitivity,
                  max(CASE class_index WHEN 0 THEN support END) AS negative,
                  max(CASE class_index WHEN 0 THEN recall END) AS specificity
           FROM _class_metric GROUP BY run_id) d ON d.run_id = r.id
LEFT JOIN _statistic q ON q.run_id = r.id
ORDER BY e.name, k.rank IS NULL, k.rank, r.position;

-- Not shown once another run has ended: `gridboard report` and the end of the sweep bring it back.
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
JOIN (SELECT experiment_id, count(CASE WHEN state IN ('completed', 'reused') THEN 1 END) AS completed
      FROM _run GROUP BY experiment_id) c
  ON c.experiment_id = g.experiment_id AND c.completed = g.completed
ORDER BY e.name, g.rank IS NULL, g.rank, g.position;

-- As `grid_points`, of what is there.
CREATE VIEW importance AS
SELECT e.name AS experiment,
       i.axis,
       i.with_axis,
       i.importance,
       i.importance_low,
       i.importance_high,
       i.explained,
       i.explained_low,
       i.explained_high,
       i.points
FROM _importance i
JOIN _experiment e ON e.id = i.experiment_id
JOIN (SELECT experiment_id, count(CASE WHEN state IN ('completed', 'reused') THEN 1 END) AS completed
      FROM _run GROUP BY experiment_id) c
  ON c.experiment_id = i.experiment_id AND c.completed = i.completed
ORDER BY e.name, i.place;

CREATE VIEW class_metrics AS
SELECT e.name AS experiment, r.name AS run, c.class_index, c.class, c.support,
       -- Nothing was taken for the class, or no image is of it: there is nothing to divide by.
       CASE WHEN p.images > 0 THEN c.precision END AS precision,
       CASE WHEN c.support > 0 THEN c.recall END AS recall,
       CASE WHEN p.images + c.support > 0 THEN c.f1 END AS f1
FROM _class_metric c
JOIN (SELECT run_id, predicted_class, sum(images) AS images FROM _confusion GROUP BY run_id, predicted_class) p
  ON p.run_id = c.run_id AND p.predicted_class = c.class_index
JOIN _run r ON r.id = c.run_id
JOIN _experiment e ON e.id = r.experiment_id;

CREATE VIEW confusion AS
SELECT e.name AS experiment, r.name AS run, t.class AS true_class, p.class AS predicted_class, c.images
FROM _confusion c
JOIN _run r ON r.id = c.run_id
JOIN _experiment e ON e.id = r.experiment_id
JOIN _class_metric t ON t.run_id = c.run_id AND t.class_index = c.true_class
JOIN _class_metric p ON p.run_id = c.run_id AND p.class_index = c.predicted_class;

CREATE VIEW suggestions AS
SELECT e.name AS experiment,
       p.number AS point,
       p.suggestion ->> 'reason' AS reason,
       p.suggestion ->> 'score' AS score,
       p.suggestion ->> 'place' AS place,
       p.suggestion ->> 'candidates' AS candidates,
       p.suggestion ->> 'good' AS good,
       p.suggestion ->> 'others' AS others,
       p.suggestion ->> 'running' AS running,
       p.suggestion -> 'values' AS axis_values,
       p.suggestion -> 'learned' AS learned
FROM _point p JOIN _experiment e ON e.id = p.experiment_id
ORDER BY e.name, p.number;

CREATE VIEW decisions AS
SELECT e.name AS experiment, r.name AS run, d.number, d.attempt, d.epochs, d.action, d.reason
FROM _decision d
JOIN _run r ON r.id = d.run_id
JOIN _experiment e ON e.id = r.experiment_id
ORDER BY e.name, r.position, d.number;
