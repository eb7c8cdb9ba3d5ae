//! What a corpus would be, without decoding an image: for `plan`.

use super::{
    CorpusError, LoadingTable, Part, SplitRule,
    phantom::Generator,
    scan::{Found, scan},
    split,
};
use crate::spec::{Dataset, Source, TestSet};

/// Lists the files of a dataset and splits them, as a preparation would if every file is an image.
///
/// # Errors
/// Missing folders, or a split that cannot be had.
pub fn survey(dataset: &Dataset) -> Result<LoadingTable, CorpusError> {
    let (labels, names): (Vec<u8>, Vec<String>) = match &dataset.source {
        Source::Images(images) => {
            scan(images, &dataset.classes)?.into_iter().map(|Found { label, file, .. }| (label, file)).unzip()
        }
        Source::Phantom(phantom) => {
            let generator = Generator::new(phantom, dataset).map_err(CorpusError::Settings)?;
            generator.places().iter().map(|place| (place.label, generator.name(place))).unzip()
        }
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let parts: Vec<Part> = split(&labels, &names, &SplitRule::from_dataset(dataset))?;
    let table = LoadingTable::count(&dataset.classes, &labels, dataset.image_size, &parts, 0);
    let Some(TestSet::Folder(folder)) = &dataset.test else { return Ok(table) };
    let found = scan(folder, &dataset.classes).map_err(CorpusError::in_test_folder)?;
    let labels: Vec<u8> = found.iter().map(|found| found.label).collect();
    Ok(table.with_test_folder(&labels, None, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OnError, Phantom};

    #[test]
    fn the_papers_counts_follow_from_the_class_sizes() {
        let dataset = Dataset {
            source: Source::Phantom(Phantom { images: vec![1575, 559], difficulty: 0.5, seed: 0 }),
            classes: vec!["normal".to_owned(), "covid".to_owned()],
            image_size: 224,
            blur: None,
            test: None,
            validation_split: 0.3,
            stratify: true,
            split_seed: 0,
            group_by: None,
            on_error: OnError::Fail,
        };
        let table = survey(&dataset).unwrap();
        assert_eq!(table.shape, [2134, 224, 224]);
        assert_eq!((table.train, table.validation), (1494, 640));
    }
}
