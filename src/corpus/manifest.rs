//! `corpus.json`: what a folder of the cache says of itself, and whether its pixels are still those that were made.
//!
//! Used by `cache`, which makes and finds such folders, and by `mapped`, through which every reader of pixels goes.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::BadFile;
use crate::base::{
    error::with_causes,
    files::{Durability, content_hash, write_whole},
};

/// The file in a folder of the cache.
pub(super) const FILE_NAME: &str = "corpus.json";

/// What a prepared corpus is.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u64,
    pub(super) fingerprint: String,
    pub(super) images: usize,
    pub(super) image_size: u32,
    pub(super) classes: Vec<String>,
    pub(super) counts: Vec<u64>,
    /// For people: how the pixels were made.
    pub(super) settings: serde_json::Value,
    /// 32 hex digits of the BLAKE3 hash of `images.npy`. Folders that version 0.1.0 made have none, until it is first asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) images_hash: Option<String>,
    /// The same of the small files.
    pub(super) labels_hash: String,
    pub(super) index_hash: String,
    pub(super) skipped: Vec<BadFile>,
    /// What is odd about the files, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

impl Manifest {
    /// The manifest of a folder.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let bytes = fs::read(folder.join(FILE_NAME)).map_err(|error| format!("{FILE_NAME}: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("{FILE_NAME}: {error}"))
    }

    /// Looks whether the pixels of a folder, whose hash this is, are those that were made. Where the manifest has no hash it
    /// takes this one.
    ///
    /// # Errors
    /// Says that they are not.
    pub(super) fn check_pixels(mut self, folder: &Path, hash: &str) -> Result<(), String> {
        match &self.images_hash {
            Some(made) if made == hash => Ok(()),
            Some(_) => Err("its pixels have changed since they were prepared".to_owned()),
            None => {
                self.images_hash = Some(hash.to_owned());
                let text = serde_json::to_vec_pretty(&self).expect("names and numbers always make JSON");
                // A cache that cannot be written to is one all the same.
                let _ = write_whole(&folder.join(FILE_NAME), &[&text], Durability::Synced);
                Ok(())
            }
        }
    }
}

/// Looks whether the pixels in a folder are those that its manifest tells of. A folder without a manifest (a corpus that a
/// test or a program has made) tells nothing.
///
/// # Errors
/// Says what is wrong.
pub(super) fn check_pixels(folder: &Path, hash: impl FnOnce() -> String) -> Result<(), String> {
    match fs::symlink_metadata(folder.join(FILE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Manifest::read(folder)?.check_pixels(folder, &hash()),
    }
}

/// The hash of a file of the cache.
pub(super) fn hash_of(path: &Path) -> Result<String, String> {
    content_hash(path).map_err(|error| with_causes(&error))
}
