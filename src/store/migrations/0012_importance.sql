-- What mattered: kept when a sweep ends and when a report is made, as `_grid_point` is.

CREATE TABLE _importance (
    experiment_id   INTEGER NOT NULL REFERENCES _experiment (id),
    place           INTEGER NOT NULL,         -- axes by their importance, then pairs by what they explain
    axis            TEXT NOT NULL,
    with_axis       TEXT,                     -- the other axis of a pair
    importance      REAL,                     -- PED-ANOVA; the parts of all axes add up to 1
    importance_low  REAL,                     -- by one seed alone, where there are several
    importance_high REAL,
    explained       REAL,                     -- share of the variance over a whole grid
    explained_low   REAL,
    explained_high  REAL,
    points          INTEGER NOT NULL,         -- that were compared
    completed       INTEGER NOT NULL,         -- runs of the experiment that were completed when this was worked out
    PRIMARY KEY (experiment_id, place)
) WITHOUT ROWID;
