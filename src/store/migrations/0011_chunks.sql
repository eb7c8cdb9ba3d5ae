-- Neighbouring points of a long curve with the least and the greatest of them, so that it can be drawn without reading all of
-- it: 64 points a chunk at level 0, 8 chunks of a level a chunk of the next. The last points of a curve may be in none. A curve
-- that is not long has none. NULL where no point is a number.
CREATE TABLE _chunk (
    run_id        INTEGER NOT NULL,
    tag_id        INTEGER NOT NULL,
    level         INTEGER NOT NULL,
    first_step    INTEGER NOT NULL,
    last_step     INTEGER NOT NULL,
    points        INTEGER NOT NULL,
    nans          INTEGER NOT NULL,
    least         REAL,
    least_step    INTEGER,
    greatest      REAL,
    greatest_step INTEGER,
    PRIMARY KEY (run_id, tag_id, level, first_step)
) WITHOUT ROWID;

-- There until the curves that were there before have their chunks.
INSERT INTO _meta (name, value) SELECT 'without_chunks', '1' WHERE EXISTS (SELECT 1 FROM _scalar);
