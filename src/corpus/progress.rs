//! How far a preparation is, told to whoever shows it.
//!
//! Implemented by the terminal; called by `prepare`.

/// Told how far a preparation is. Called from several threads.
pub trait PreparationProgress: Sync {
    /// Work begins on `total` images. Not called where the cache has everything.
    fn start(&self, total: usize);
    /// One image is done.
    fn advance(&self);
    /// No image is left, or the work was given up.
    fn finish(&self);
}

/// Tells nobody.
pub struct NoProgress;

impl PreparationProgress for NoProgress {
    fn start(&self, _total: usize) {}
    fn advance(&self) {}
    fn finish(&self) {}
}
