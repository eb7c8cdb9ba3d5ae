-- What attempts have used of the processor: in all, in training steps and in validation, by the clock and by the cores.

ALTER TABLE _attempt ADD COLUMN threads INTEGER;
-- User and system time of its process and of the children that this has waited for.
ALTER TABLE _attempt ADD COLUMN core_seconds REAL;
-- By the trainer's word; NULL where it has none.
ALTER TABLE _attempt ADD COLUMN training_seconds REAL;
ALTER TABLE _attempt ADD COLUMN training_core_seconds REAL;
ALTER TABLE _attempt ADD COLUMN validation_seconds REAL;
ALTER TABLE _attempt ADD COLUMN validation_core_seconds REAL;

DROP VIEW runs;
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
       a.threads,
       a.core_seconds,
       a.training_seconds,
       a.training_core_seconds,
       a.validation_seconds,
       a.validation_core_seconds,
       e.name || '/' || r.name AS directory,
       r.predictions,
       r.parameters,
       r.content_id AS id,
       r.position
FROM _run r
JOIN _experiment e ON e.id = r.experiment_id
LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts;

DROP VIEW attempts;
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
       a.peak_memory,
       a.threads,
       a.core_seconds,
       a.training_seconds,
       a.training_core_seconds,
       a.validation_seconds,
       a.validation_core_seconds
FROM _attempt a
JOIN _run r ON r.id = a.run_id
JOIN _experiment e ON e.id = r.experiment_id;
