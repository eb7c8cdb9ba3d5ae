//! What is done to every image before training: decode, resize, blur. One place, so that a corpus and a single image
//! to predict cannot be treated differently.
//!
//! Called by `prepare`; pure.

use image::GrayImage;

use super::{blur::Kernel, resize::resize};
use crate::spec::{Blur, Dataset};

/// The steps after decoding.
#[derive(Clone, Debug)]
pub struct Preprocess {
    size: u32,
    kernel: Option<Kernel>,
}

impl Preprocess {
    /// The steps of a dataset; `None` where its blur is no Gaussian kernel: an even or huge side, a negative sigma.
    #[must_use]
    pub fn new(dataset: &Dataset) -> Option<Self> {
        let kernel = match dataset.blur {
            Some(Blur { kernel, sigma }) => Some(Kernel::new(Blur { kernel, sigma })?),
            None => None,
        };
        Some(Self { size: dataset.image_size, kernel })
    }

    /// Pixels of the image at the dataset's size, `[h, w]`: resized, then blurred.
    #[must_use]
    pub fn apply(&self, image: &GrayImage) -> Vec<u8> {
        let mut pixels = resize(image, self.size);
        if let Some(kernel) = &self.kernel {
            kernel.apply(&mut pixels, self.size as usize);
        }
        pixels
    }
}
