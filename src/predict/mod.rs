//! A run's trained network on images: any files of the user's, or images of the prepared corpus.
//!
//! Called by `gridboard predict` and by the sweep, for its test images and the report's X-rays. In reading order:
//! [`TrainedRun`] is what a run's directory holds of it, `sources` turns paths into image files, `stream` decodes them
//! with the code that made the corpus and asks `gridboard-worker predict`, whose language is [`crate::predictions::protocol`]. libtorch is
//! never loaded here. `test_set` asks about held-out images. `xrays` makes Fig. 11 of the answers.

mod sources;
mod stream;
mod test_set;
mod trained;
mod xrays;

pub(crate) use sources::{ImageFile, SourceError, image_files};
pub(crate) use stream::{Answer, AskError, ask};
pub(crate) use test_set::{TestImages, predict_test_set};
pub(crate) use trained::{TrainedRun, TrainedRunError};
pub(crate) use xrays::{Shown, choose, misclassified_xrays, validation_xrays, xrays};
