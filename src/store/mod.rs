//! The runs database `gridboard.db`: the ledger of runs, their curves and confusion matrices, and the SQL views for users.
//! The only home of sqlx.
//!
//! Two sides: `writer/` is used by the sweep and by verbs that write, through one [`Store`]; `reader/` by listings, reports
//! and `gridboard sql`, through a [`Reader`], which cannot write. What both need lies beside them: the schema and its
//! migrations, how a database is born, the views (`views.sql`, remade where they are another program's), and `live`, which
//! decides what a run is whose sweep is dead. Event files and `outcome.json` are the truth and are left to others; the database
//! is their index, and the only place that knows which runs are owed.
//!
//! # Durability
//! The database is in WAL mode: readers never wait for the writer nor the writer for them, and whatever was committed
//! survives the end of any process, by `kill -9` too. The new experiment, its ledger and each end of an attempt are
//! also synced to the disk before the call returns, so a power cut never forgets a finished run; it may take back the
//! curves and starts that were written since the last such call.
//!
//! # Views
//! The tables begin with an underscore and may change. These views are the contract for users, in any SQLite from 3.9:
//!
//! | view | a row is | columns |
//! |---|---|---|
//! | `experiments` | an experiment | experiment, created, created_at, runs, pending, running, paused, completed, reused, failed, cancelled, stopped, fingerprint, spec |
//! | `runs` | a run, with its last attempt | experiment, run, state, seed, attempts, started, finished, started_at, finished_at, seconds, device, slot, host, job, failure, reason, evidence, problem, resumed_from, peak_memory, peak_device_memory, threads, core_seconds, training_seconds, training_core_seconds, validation_seconds, validation_core_seconds, last_point, last_point_age, tags, note, archived, directory, predictions, parameters, id, position |
//! | `attempts` | an attempt | experiment, run, attempt, state, started, finished, started_at, finished_at, seconds, device, slot, host, job, pid, pid_start, boot_id, failure, reason, evidence, problem, resumed_from, log_tail, peak_memory, peak_device_memory, threads, core_seconds, training_seconds, training_core_seconds, validation_seconds, validation_core_seconds |
//! | `history` | a point of a curve | experiment, run, tag, step, value, wall_time |
//! | `leaderboard` | a run, ranked or not | experiment, rank, run, state, seed, train_accuracy, train_loss, validation_accuracy, validation_accuracy_low, validation_accuracy_high, validation_loss, validation_images, validation_sensitivity, validation_specificity, validation_auc, best_epoch, best_value, mcnemar_p, against_best, reason |
//! | `grid_points` | a grid point over its seeds | experiment, rank, grid_point, seeds, seeds_wanted, train_accuracy_mean, train_accuracy_deviation, train_loss_mean, train_loss_deviation, validation_accuracy_mean, validation_accuracy_deviation, validation_loss_mean, validation_loss_deviation, by_mean, by_deviation, best_mean, best_deviation, mcnemar_p, axis_values |
//! | `importance` | an axis, or a pair of axes | experiment, axis, with_axis, importance, importance_low, importance_high, explained, explained_low, explained_high, points |
//! | `class_metrics` | a class in a run | experiment, run, class_index, class, support, precision, recall, f1 |
//! | `confusion` | a pair of classes in a run | experiment, run, true_class, predicted_class, images |
//! | `suggestions` | a point that a search has suggested | experiment, point, reason, score, place, candidates, good, others, running, axis_values, learned |
//! | `decisions` | what a stopping rule has decided of a run | experiment, run, number, attempt, epochs, action, reason |
//! | *the experiment's name* | a ranked run | rank, run, *a column per axis*, seed, state, train_accuracy, train_loss, validation_accuracy, validation_loss, *the rule's metrics if they are others*, validation_accuracy_low, validation_accuracy_high, validation_sensitivity, validation_specificity, validation_auc, best_epoch, best_value, mcnemar_p |
//!
//! Times are seconds since 1970, and as text in UTC where the column ends in `_at`; memory is in bytes, `core_seconds` are user and system time, `directory` and `predictions` are relative to the runs directory,
//! `parameters`, `spec` and `tags` (an array of texts) are JSON. The state of a run is `pending`, `running`, `paused`, `completed`, `reused`, `failed`,
//! `cancelled` or `stopped` (by a stopping rule): the counts of `experiments` add up to `runs`. That of an attempt is `running`, `completed`, `failed`,
//! `interrupted` (Gridboard has ended it) or `lost` (nobody saw it end). `pid_start` is the start of the process in clock ticks since the boot `boot_id` of its `host`. `job` is what Slurm calls the attempt (`41_3`), NULL on this machine and before the job has begun; `host` is its node then.
//! `last_point` is when the last point of the run's curves was written, `last_point_age` how many seconds that is ago, both NULL without points, the age also
//! where the run is not running. Values are the f32 of the event file widened to f64 (of a zero, SQLite drops the sign). A value is NULL in `history`
//! where the point is NaN; in the leaderboards it is NULL where the metric is NaN or was never written, and `reason`
//! tells which. `evidence` is JSON, what was seen of a failure: `signal`, `exit_code`, `peak_memory`, `peak_device_memory`, `last_step` and `last_line`,
//! a fingerprint of the log's last line. `problem` is what is wrong with the event files or the predictions of an attempt, whose results may not be whole;
//! `resumed_from` is the epoch (of a `command`, the first step) that an attempt went on with, NULL where it began anew. Times of an attempt are
//! its own: those of the attempts that it goes on with are in their rows. The view of an experiment leaves unranked runs out, because SQLite sorts NULL first: `select * from tab3
//! order by rank limit 10` is the top ten. `validation_accuracy_low` and `_high` are the 95 % Wilson interval of the
//! accuracy of the run's predictions of `validation_images` images; `validation_sensitivity`, `validation_specificity` and
//! `validation_auc` are of two classes, the last of which is positive, and NULL where they are not known (without predictions, or
//! without an image of the class). A metric that a run has not written is the one series that ends in its tag below a folder
//! made anew for each run (`2026-11-27/eval/loss` for `eval/loss`). `best_epoch`, `best_value` (the rule's first metric where
//! it was best), `mcnemar_p` (the exact test against rank 1; NULL where another metric than the accuracy ranks), `against_best` and the view `grid_points` are kept when a sweep
//! ends and when a report is made: NULL, or no row, before and once they are out of date. A deviation is that of the
//! sample; `seeds` are those that rank, of `seeds_wanted`. A metric of the rule that
//! shares its name with another column gets the suffix `_metric`, an axis `_axis`; a standard metric is that of the rule where
//! the spec ranks by a tag of exactly that name.
//! Names with a `-` are written in double quotes: `select * from "tab3-small"`.

mod anew;
mod birth;
mod chunks;
mod connection;
mod convert;
mod error;
mod examine;
mod experiment_view;
mod keys;
mod live;
mod newest;
mod opening;
mod passing;
mod place;
mod ranking;
mod reader;
mod schema;
mod series;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(feature = "page")]
mod thinner;
mod upgrade;
mod validation;
mod views;
mod writer;

pub(crate) use anew::Anew;
pub(crate) use chunks::{Chunk, problem as chunk_problem};
pub use connection::FILE_NAME;
pub use error::StoreError;
pub use examine::{Examination, examine};
pub use keys::{ExperimentKey, RunKey};
pub(crate) use newest::behind;
pub(crate) use place::{choose_database, on_network};
pub(crate) use reader::RawValidation;
pub use reader::{
    Answer, AttemptRecord, AttemptState, Curve, ExperimentRecord, Point, QueryResult, Reader, RunRecord,
    SqlValue, Untaken,
};
#[cfg(feature = "page")]
pub(crate) use reader::{Drawn, MetricColumn, OverviewRun, Sight};
pub(crate) use upgrade::tell_upgrades;
pub use writer::{Binder, BoundCurves, Bulk, LoadedAnswers, LoadedRun, NewAttempt, Orphan, Store};
