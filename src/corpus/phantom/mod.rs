//! Built-in chest phantoms: radiograph-like images with a known finding, for trying things without any data.
//!
//! Each image is a function of the seed, its class and its number alone. Class 0 is normal; the other classes have the
//! findings of `finding`, whose strength is drawn for each image and falls with the difficulty. Anatomy, position and
//! exposure are drawn the same way for all classes, and every image is brought to a mean and a contrast that are drawn
//! without regard to the class: brightness gives nothing away, the lungs have to be looked at. The same bytes come out on
//! every machine whose C library computes `exp` and `sin` alike.
//!
//! How hard it is: 560 training images of 64 pixels, five epochs, batches of 32: the paper's networks reach 0.95 to 1.00
//! at difficulty 0, 0.95 to 0.99 at 0.3, 0.69 to 0.93 at 0.5. A linear classifier of all pixels reaches 0.98 at 0.5, for
//! the patients stand alike.
//!
//! Called by `prepare`.

mod anatomy;
mod field;
mod finding;

use image::GrayImage;

use super::random::Stream;
use crate::spec::{Dataset, Phantom};
use anatomy::Anatomy;
use field::Field;
use finding::Finding;

/// One image of the phantom corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Class index.
    pub(super) label: u8,
    /// Number in its class, from 0.
    pub(super) number: u32,
}

/// Makes the images of a phantom corpus.
pub(super) struct Generator {
    phantom: Phantom,
    classes: Vec<String>,
    size: u32,
}

impl Generator {
    /// The generator of a dataset's phantoms.
    ///
    /// # Errors
    /// Says which setting makes no corpus.
    pub(super) fn new(phantom: &Phantom, dataset: &Dataset) -> Result<Self, String> {
        let classes = dataset.classes.clone();
        if classes.len() < 2 || classes.len() != phantom.images.len() {
            let (images, classes) = (phantom.images.len(), classes.len());
            return Err(format!("a phantom corpus of {classes} classes with {images} numbers of images"));
        }
        if let Some(class) = phantom.images.iter().position(|&images| images == 0) {
            return Err(format!("a phantom corpus without images of class `{}`", classes[class]));
        }
        if !(0.0..=1.0).contains(&phantom.difficulty) {
            return Err(format!("a phantom difficulty of {} is not from 0 to 1", phantom.difficulty));
        }
        Ok(Self { phantom: phantom.clone(), classes, size: dataset.image_size })
    }

    /// All images, class by class.
    pub(super) fn places(&self) -> Vec<Place> {
        let class = |(label, &images): (u8, &u32)| (0..images).map(move |number| Place { label, number });
        (0..=u8::MAX).zip(&self.phantom.images).flat_map(class).collect()
    }

    /// The name under which an image stands in the index.
    pub(super) fn name(&self, place: &Place) -> String {
        format!("phantom/{}/{:05}.png", self.classes[usize::from(place.label)], place.number)
    }

    /// An image at the dataset's size.
    pub(super) fn image(&self, place: &Place) -> GrayImage {
        let numbers = [self.phantom.seed, u64::from(place.label), u64::from(place.number)];
        let stream = &mut Stream::new("gridboard phantom v1", &numbers);
        let anatomy = Anatomy::new(stream);
        let noise = stream.range(0.015, 0.035);
        let haze = Field::new(3, stream);
        let strength = (1.0 - self.phantom.difficulty) * stream.range(0.45, 1.2);
        let finding = Finding::new(place.label, strength, stream);
        let mut density = Vec::with_capacity((self.size * self.size) as usize);
        let coordinate = |pixel: u32| (f64::from(pixel) + 0.5) / f64::from(self.size) * 2.0 - 1.0;
        for row in 0..self.size {
            for column in 0..self.size {
                let (x, y) = (coordinate(column), coordinate(row));
                let (u, v) = anatomy.locate(x, y);
                let tissue = anatomy.at(u, v);
                let filled = finding.as_ref().map_or(0.0, |finding| finding.at(u, v));
                let opacity = tissue.lung * filled * (0.62 - tissue.density).max(0.0);
                let veil = 0.02 * haze.at(x, y) * tissue.density;
                density.push(tissue.density + opacity + veil + noise * stream.normal());
            }
        }
        let pixels = expose(&density, stream);
        GrayImage::from_raw(self.size, self.size, pixels).expect("a value for each pixel")
    }
}

/// Brings densities to 8 bits, with a film curve, mean and contrast drawn for each image.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to 0..255; images have far fewer than 2^53 pixels"
)]
fn expose(density: &[f64], stream: &mut Stream) -> Vec<u8> {
    let gamma = stream.range(0.9, 1.15);
    let (mean, deviation) = (stream.range(108.0, 136.0), stream.range(43.0, 54.0));
    let curve: Vec<f64> = density.iter().map(|value| value.max(0.0).powf(gamma)).collect();
    let count = curve.len() as f64;
    let centre = curve.iter().sum::<f64>() / count;
    let spread = (curve.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / count).sqrt().max(1e-9);
    let pixel = |value: &f64| ((value - centre) / spread * deviation + mean).round().clamp(0.0, 255.0) as u8;
    curve.iter().map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OnError, Source};

    fn generator(classes: usize, difficulty: f64, seed: u64) -> Result<Generator, String> {
        let phantom = Phantom { images: vec![40; classes], difficulty, seed };
        let dataset = Dataset {
            source: Source::Phantom(phantom.clone()),
            classes: (0..classes).map(|class| format!("c{class}")).collect(),
            image_size: 24,
            blur: None,
            test: None,
            validation_split: 0.3,
            stratify: true,
            split_seed: 0,
            group_by: None,
            on_error: OnError::Fail,
        };
        Generator::new(&phantom, &dataset)
    }

    fn image(label: u8, number: u32, seed: u64) -> Vec<u8> {
        generator(2, 0.3, seed).unwrap().image(&Place { label, number }).into_raw()
    }

    /// How often a statistic of an image is larger in class 1 than in class 0.
    fn auc(difficulty: f64, statistic: impl Fn(&GrayImage) -> f64) -> f64 {
        let generator = generator(2, difficulty, 0).unwrap();
        let values = |label| -> Vec<f64> {
            (0..40).map(|number| statistic(&generator.image(&Place { label, number }))).collect()
        };
        let (normal, positive) = (values(0), values(1));
        let larger =
            positive.iter().flat_map(|value| normal.iter().filter(move |other| value > other)).count();
        larger as f64 / 1600.0
    }

    fn mean(image: &GrayImage) -> f64 {
        image.as_raw().iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / image.as_raw().len() as f64
    }

    /// Brightness where the lungs usually are, over that of the whole image.
    fn lungs(image: &GrayImage) -> f64 {
        let is_lung = |x: u32, y: u32| (9..17).contains(&y) && ((5..9).contains(&x) || (15..19).contains(&x));
        let pixels = image.enumerate_pixels().filter(|(x, y, _)| is_lung(*x, *y));
        pixels.map(|(_, _, pixel)| f64::from(pixel[0])).sum::<f64>() / 64.0 - mean(image)
    }

    #[test]
    fn images_are_functions_of_seed_class_and_number() {
        assert_eq!(image(1, 7, 3), image(1, 7, 3));
        assert_ne!(image(1, 7, 3), image(0, 7, 3));
        assert_ne!(image(1, 7, 3), image(1, 8, 3));
        assert_ne!(image(1, 7, 3), image(1, 7, 4));
    }

    #[test]
    fn the_lungs_tell_the_class_and_the_brightness_does_not() {
        let brightness = auc(0.0, mean);
        assert!((0.35..0.65).contains(&brightness), "{brightness}");
        let (easy, hard, hopeless) = (auc(0.0, lungs), auc(0.7, lungs), auc(1.0, lungs));
        assert!(easy > 0.9 && easy > hard && hard > 0.55, "{easy} {hard}");
        assert!((0.35..0.65).contains(&hopeless), "{hopeless}");
    }

    #[test]
    fn any_number_of_classes_has_its_findings() {
        let generator = generator(256, 0.0, 0).unwrap();
        let places = generator.places();
        assert_eq!((places.len(), places[40].label, places[41].number), (256 * 40, 1, 1));
        assert_eq!(generator.name(&places[41]), "phantom/c1/00001.png");
        for label in [0, 1, 2, 3, 4, 5, 12, 13, 255] {
            let pixels = generator.image(&Place { label, number: 0 }).into_raw();
            assert!(pixels.iter().min() < Some(&60) && pixels.iter().max() > Some(&150), "{label}");
        }
    }

    #[test]
    fn settings_are_checked() {
        let error = |classes, difficulty| generator(classes, difficulty, 0).err().unwrap();
        assert!(error(1, 0.5).contains("1 classes"));
        assert!(error(2, -0.1).contains("-0.1"));
        assert!(error(2, f64::NAN).contains("NaN"));
    }
}
