//! tfevents
