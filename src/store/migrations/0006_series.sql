-- The series that a run has in place of a tag which the rule or a standard column names, and which it has not written: that
-- ends in the tag below a folder whose name is made anew for each run.
CREATE TABLE _series (
    run_id INTEGER NOT NULL REFERENCES _run (id) ON DELETE CASCADE,
    wanted TEXT NOT NULL,
    tag_id INTEGER NOT NULL,
    PRIMARY KEY (run_id, wanted)
) WITHOUT ROWID;

-- Area under the ROC curve of the predictions, for two classes; NULL where they have no probabilities.
ALTER TABLE _validation ADD COLUMN auc REAL;

-- What was found about an experiment as a whole, as long as so many of its runs are completed.
CREATE TABLE _note (
    experiment_id INTEGER NOT NULL REFERENCES _experiment (id) ON DELETE CASCADE,
    place         INTEGER NOT NULL,
    text          TEXT NOT NULL,
    completed     INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, place)
) WITHOUT ROWID;
