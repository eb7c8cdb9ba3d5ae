//! Integration tests, one binary.

mod tensorboard;
