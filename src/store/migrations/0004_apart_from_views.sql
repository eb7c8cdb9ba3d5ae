-- Tables alone: since this migration the views are in `views.sql`.

-- What is known of the database itself. `views`: of which program its views are (see `views.rs`).
CREATE TABLE _meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Bytes of its device, by the trainer's word; NULL on the processor and where it has none.
ALTER TABLE _attempt ADD COLUMN peak_device_memory INTEGER;

-- Whoever opens the database asks which experiments have live runs.
CREATE INDEX _run_running ON _run (experiment_id) WHERE state = 'running';
