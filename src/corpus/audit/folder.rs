//! A folder without a spec as a dataset: every folder in it is a class.
//!
//! Called by the audit of a folder. Class folders without images, which a spec would not name, are left out and told.

use std::path::Path;

use crate::{
    corpus::{BadFile, CorpusError, PreparationProgress, Prepared, prepare, scan},
    spec::{Dataset, OnError, Source},
};

/// Side at which the images of a folder are compared, pixels: the paper's.
const IMAGE_SIZE: u32 = 224;

/// Prepares the images of `folder`, a folder per class; files that are no images are left out.
///
/// # Errors
/// As [`prepare`]; also where no folder in it holds an image.
pub fn prepare_folder(
    folder: &Path,
    cache_root: &Path,
    progress: &dyn PreparationProgress,
    cancelled: Option<&std::sync::atomic::AtomicBool>,
) -> Result<Prepared, CorpusError> {
    let mut classes = Vec::new();
    for class in scan::class_folders(folder)? {
        match scan::scan(folder, std::slice::from_ref(&class)) {
            Ok(_) => classes.push(class),
            Err(CorpusError::EmptyClass { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut unreadable: Vec<BadFile> = Vec::new();
    loop {
        if classes.is_empty() {
            let found = format!(
                "`{}` has no folder that holds images: put the images of each class into a folder of its name in it",
                folder.display()
            );
            return Err(CorpusError::Settings(found));
        }
        let dataset = Dataset {
            source: Source::Images(folder.to_owned()),
            classes: classes.clone(),
            image_size: IMAGE_SIZE,
            blur: None,
            test: None,
            validation_split: 0.3,
            stratify: true,
            split_seed: 0,
            group_by: None,
            on_error: OnError::Skip,
        };
        match prepare(&dataset, cache_root, progress, cancelled) {
            Ok(mut prepared) => {
                prepared.skipped.extend(unreadable);
                return Ok(prepared);
            }
            // A folder of notes is no class.
            Err(CorpusError::NothingLeft { class, bad }) => {
                unreadable.extend(bad);
                classes.retain(|known| *known != class);
            }
            Err(error) => return Err(error),
        }
    }
}
