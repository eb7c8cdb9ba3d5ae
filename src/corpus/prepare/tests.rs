//! Preparing small corpora in temporary folders.

use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use image::{GrayImage, Luma};
use tempfile::TempDir;

use super::*;
use crate::{
    corpus::{MappedCorpus, NoProgress, cache::Cache},
    spec::Blur,
};

/// A folder of images, and a cache beside it.
struct Place {
    folder: TempDir,
}

impl Place {
    /// Two classes; image `i` is flat, gray level `10 i`.
    fn with(normal: u8, covid: u8) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for image in 0..normal {
            place.flat(&format!("normal/{image}.png"), image * 10);
        }
        for image in 0..covid {
            place.flat(&format!("covid/{image}.jpg"), (normal + image) * 10);
        }
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("images").join(file)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn flat(&self, file: &str, gray: u8) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(6, 4, Luma([gray])).save_with_format(path, image::ImageFormat::Png).unwrap();
    }

    fn dataset(&self) -> Dataset {
        Dataset {
            source: Source::Images(self.folder.path().join("images")),
            classes: vec!["normal".to_owned(), "covid".to_owned()],
            image_size: 4,
            blur: None,
            test: None,
            validation_split: 0.3,
            stratify: true,
            split_seed: 0,
            group_by: None,
            on_error: OnError::Fail,
        }
    }

    /// Prepares at a time when all files have settled.
    fn prepare(&self, change: impl Fn(&mut Dataset)) -> Result<Prepared, CorpusError> {
        let mut dataset = self.dataset();
        change(&mut dataset);
        let later = SystemTime::now() + Duration::from_secs(60);
        prepare_at(&dataset, &self.cache(), &NoProgress, None, later)
    }

    /// Names in a folder of the cache.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.cache().join(folder)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn grays(prepared: &Prepared) -> Vec<u8> {
    let mapped = MappedCorpus::open(&prepared.folder).unwrap();
    (0..mapped.len()).map(|image| mapped.image(image)[5]).collect()
}

fn unchanged(_: &mut Dataset) {}

#[test]
fn images_labels_and_index_agree() {
    let place = Place::with(3, 2);
    let prepared = place.prepare(unchanged).unwrap();
    assert!(!prepared.cached && prepared.folder.is_absolute());
    assert_eq!((prepared.counts.as_slice(), prepared.skipped.len()), (&[3, 2][..], 0));
    let mapped = MappedCorpus::open(&prepared.folder).unwrap();
    assert_eq!(mapped.shape(), [5, 4, 4]);
    assert_eq!(mapped.labels(), [0, 0, 0, 1, 1]);
    assert_eq!(grays(&prepared), [0, 10, 20, 30, 40]);
    let names = ["normal/0.png", "normal/1.png", "normal/2.png", "covid/0.jpg", "covid/1.jpg"];
    assert_eq!(prepared.names(), names);
    let last = &prepared.files[4];
    assert_eq!((last.width, last.height, last.format.as_str(), last.label), (6, 4, "png", 1));
    let bytes = fs::read(place.path("covid/1.jpg")).unwrap();
    assert_eq!((last.bytes, last.hash.as_str()), (bytes.len() as u64, &blake3::hash(&bytes).to_hex()[..32]));
}

#[test]
fn a_second_start_reads_the_cache() {
    let place = Place::with(3, 2);
    let first = place.prepare(unchanged).unwrap();
    let again = place.prepare(unchanged).unwrap();
    assert!(again.cached);
    assert_eq!((&again.folder, &again.fingerprint), (&first.folder, &first.fingerprint));
    assert_eq!((&again.files, &again.counts), (&first.files, &first.counts));
    // Settings of the split make no other pixels; size, blur and classes do.
    assert!(place.prepare(|dataset| dataset.split_seed = 9).unwrap().cached);
    assert!(!place.prepare(|dataset| dataset.image_size = 5).unwrap().cached);
    assert!(!place.prepare(|dataset| dataset.blur = Some(Blur { kernel: 3, sigma: 1.0 })).unwrap().cached);
    assert!(!place.prepare(|dataset| dataset.classes.reverse()).unwrap().cached);
    assert_eq!(place.names("corpus").len(), 4);
}

/// A bad disk or a half copied cache: same length, same time, other pixels.
#[test]
fn damaged_pixels_are_told_and_prepared_again() {
    let place = Place::with(3, 2);
    let first = place.prepare(unchanged).unwrap();
    let path = first.folder.join("images.npy");
    let whole = fs::read(&path).unwrap();
    let damage = |at: usize| {
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    };
    damage(whole.len() - 1);
    let error = MappedCorpus::open(&first.folder).unwrap_err().to_string();
    assert!(error.contains("images.npy") && error.contains("its pixels have changed"), "{error}");
    let problem = super::super::cached_fingerprint(&first.folder).unwrap_err();
    assert!(problem.contains("images.npy: its pixels have changed"), "{problem}");
    let again = place.prepare(unchanged).unwrap();
    assert_eq!(again.damage.as_deref(), Some("images.npy: its pixels have changed since they were prepared"));
    assert_eq!((again.cached, &again.fingerprint), (false, &first.fingerprint));
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(place.prepare(unchanged).unwrap().damage, None);
}

/// The pixels in a cache that version 0.1.0 made are taken as they are, once.
#[test]
fn a_cache_without_a_hash_gets_one() {
    let place = Place::with(2, 2);
    let first = place.prepare(unchanged).unwrap();
    let manifest = first.folder.join("corpus.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let old: String = text.lines().filter(|line| !line.contains("images_hash")).collect();
    fs::write(&manifest, old).unwrap();
    let again = place.prepare(unchanged).unwrap();
    assert!(again.cached && again.damage.is_none());
    assert_eq!(fs::read_to_string(&manifest).unwrap(), text);
}

#[test]
fn images_of_no_class_are_told() {
    let place = Place::with(2, 2);
    assert!(place.prepare(unchanged).unwrap().notes.is_empty());
    fs::copy(place.path("normal/0.png"), place.path("loose.png")).unwrap();
    let notes = place.prepare(unchanged).unwrap().notes;
    assert!(notes[0].starts_with("1 image(s) directly in `"), "{notes:?}");
    let error = place.prepare(|dataset| dataset.classes[0] = "healthy".to_owned()).unwrap_err();
    assert!(error.to_string().ends_with("; 1 image lies directly in the images folder"), "{error}");
}

#[test]
fn a_path_for_a_shell_is_told_as_one() {
    let place = Place::with(2, 2);
    for path in ["~/images", "$HOME/images", "/data/~ada/x"] {
        let error = place.prepare(|dataset| dataset.source = Source::Images(path.into())).unwrap_err();
        assert!(error.hint().unwrap().contains("are not expanded"), "{path}: {error}");
    }
    let error = place.prepare(|dataset| dataset.source = Source::Images("/nowhere".into())).unwrap_err();
    assert!(!error.hint().unwrap().contains("expanded"), "{error}");
}

#[test]
fn a_change_of_content_is_noticed() {
    let place = Place::with(2, 2);
    let first = place.prepare(unchanged).unwrap();
    let file = place.path("normal/1.png");
    let (len, modified) =
        (fs::metadata(&file).unwrap().len(), fs::metadata(&file).unwrap().modified().unwrap());
    let wait_for_the_clock = || {
        // Times of files advance in ticks: write until one has passed.
        let probe = place.folder.path().join("probe");
        let time = || {
            fs::write(&probe, "").unwrap();
            fs::metadata(&probe).unwrap().modified().unwrap()
        };
        let start = time();
        while time() == start {}
    };
    wait_for_the_clock();
    place.flat("normal/1.png", 99);
    // Same length and, as after `cp -p`, the same modification time.
    fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len(), len);
    let second = place.prepare(unchanged).unwrap();
    assert!(!second.cached);
    assert_ne!(second.fingerprint, first.fingerprint);
    assert_eq!(grays(&second)[1], 99);
    // The old content again, later: the same fingerprint and folder.
    wait_for_the_clock();
    place.flat("normal/1.png", 10);
    let third = place.prepare(unchanged).unwrap();
    assert_eq!((third.fingerprint, third.folder), (first.fingerprint, first.folder));
}

/// A file may change once more in the tick of the clock in which it was listed; so its listing is not trusted.
#[test]
fn files_that_just_changed_are_read_again() {
    let place = Place::with(2, 2);
    let dataset = place.dataset();
    let now = SystemTime::now();
    assert!(!prepare_at(&dataset, &place.cache(), &NoProgress, None, now).unwrap().cached);
    assert_eq!(place.names("scan"), [""; 0]);
    assert!(!prepare_at(&dataset, &place.cache(), &NoProgress, None, now).unwrap().cached);
    assert_eq!(place.names("corpus").len(), 1);
}

#[test]
fn all_bad_files_are_listed() {
    let place = Place::with(3, 2);
    fs::write(place.path("covid/a.gif"), "GIF89a").unwrap();
    fs::write(place.path("normal/notes.txt"), "who").unwrap();
    let png = fs::read(place.path("normal/2.png")).unwrap();
    fs::write(place.path("normal/2.png"), &png[..png.len() / 2]).unwrap();
    let error = place.prepare(unchanged).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("3 of 7 files in "), "{message}");
    for part in ["`normal/2.png`: ", "`normal/notes.txt`: ", "text", "`covid/a.gif`: ", "GIF"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(error.hint().unwrap().contains("on_error: skip"));
    assert_eq!((place.names("corpus").len(), place.names("scan").len()), (0, 0), "nothing is left behind");

    for image in 0..30 {
        fs::write(place.path(&format!("covid/bad{image}")), "").unwrap();
    }
    let message = place.prepare(unchanged).unwrap_err().to_string();
    assert!(message.starts_with("33 of 37") && message.ends_with("and 13 more"), "{message}");
}

#[test]
fn bad_files_can_be_left_out() {
    let place = Place::with(4, 2);
    for bad in ["normal/1.png", "covid/0.jpg", "covid/zzz"] {
        fs::write(place.path(bad), "no image").unwrap();
    }
    let skip = |dataset: &mut Dataset| dataset.on_error = OnError::Skip;
    let prepared = place.prepare(skip).unwrap();
    assert_eq!((grays(&prepared), prepared.counts.as_slice()), (vec![0, 20, 30, 50], &[3, 1][..]));
    let skipped: Vec<_> = prepared.skipped.iter().map(|bad| bad.file.as_str()).collect();
    assert_eq!(skipped, ["normal/1.png", "covid/0.jpg", "covid/zzz"]);
    let again = place.prepare(skip).unwrap();
    assert!(again.cached);
    assert_eq!(again.skipped, prepared.skipped);
    // What was prepared with bad files left out does not excuse them.
    assert!(matches!(place.prepare(unchanged), Err(CorpusError::BadFiles { .. })));

    fs::write(place.path("covid/1.jpg"), "no image").unwrap();
    let message = place.prepare(skip).unwrap_err().to_string();
    assert!(message.starts_with("no file of class `covid` can be used\n"), "{message}");
}

#[test]
fn damage_is_repaired() {
    let place = Place::with(2, 2);
    let first = place.prepare(unchanged).unwrap();
    let damages: [&dyn Fn(&Path); 8] = [
        &|folder| fs::remove_file(folder.join("images.npy")).unwrap(),
        &|folder| {
            fs::File::options().write(true).open(folder.join("images.npy")).unwrap().set_len(150).unwrap()
        },
        &|folder| fs::write(folder.join("images.npy"), "junk").unwrap(),
        &|folder| fs::remove_file(folder.join("corpus.json")).unwrap(),
        &|folder| fs::write(folder.join("corpus.json"), "{").unwrap(),
        &|folder| fs::write(folder.join("index.csv"), "").unwrap(),
        &|folder| {
            let path = folder.join("labels.npy");
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() = 0;
            fs::write(path, bytes).unwrap();
        },
        &|folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::write(folder, "a file").unwrap();
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage(&first.folder);
        let repaired = place.prepare(unchanged).unwrap();
        assert!(!repaired.cached, "damage {number} was not noticed");
        assert_eq!(
            (&repaired.folder, grays(&repaired)),
            (&first.folder, vec![0, 10, 20, 30]),
            "damage {number}"
        );
        assert!(place.prepare(unchanged).unwrap().cached);
        assert_eq!(place.names("corpus").len(), 1, "damage {number} left litter");
    }
}

#[test]
fn preparers_do_not_break_each_other() {
    let place = Place::with(6, 6);
    let fingerprints: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| place.prepare(unchanged))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap().fingerprint).collect()
    });
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
    assert_eq!(place.names("corpus"), [fingerprints[0].clone()]);
    assert!(Cache::open(&place.cache()).unwrap().load(&fingerprints[0]).is_ok());
}

#[derive(Default)]
struct Told {
    words: Mutex<Vec<String>>,
    advances: AtomicUsize,
}

impl PreparationProgress for Told {
    fn start(&self, total: usize) {
        self.words.lock().unwrap().push(format!("start {total}"));
    }
    fn advance(&self) {
        self.advances.fetch_add(1, Ordering::Relaxed);
    }
    fn finish(&self) {
        self.words.lock().unwrap().push("finish".to_owned());
    }
}

#[test]
fn progress_is_told_and_cancelling_stops() {
    let place = Place::with(3, 2);
    let told = Told::default();
    let cancelled = AtomicBool::new(true);
    let dataset = place.dataset();
    let stopped = prepare(&dataset, &place.cache(), &told, Some(&cancelled));
    assert!(matches!(stopped, Err(CorpusError::Cancelled)));
    assert_eq!((told.advances.load(Ordering::Relaxed), place.names("corpus").len()), (0, 0));
    cancelled.store(false, Ordering::Relaxed);
    prepare(&dataset, &place.cache(), &told, Some(&cancelled)).unwrap();
    assert_eq!(told.advances.load(Ordering::Relaxed), 5);
    assert_eq!(*told.words.lock().unwrap(), ["start 5", "finish", "start 5", "finish"]);
}

#[test]
fn phantoms_are_corpora_too() {
    let place = Place::with(0, 0);
    let phantom = |seed, difficulty| {
        move |dataset: &mut Dataset| {
            let phantom = Phantom { images: vec![3, 2], difficulty, seed };
            (dataset.source, dataset.image_size) = (Source::Phantom(phantom), 16);
        }
    };
    let prepared = place.prepare(phantom(1, 0.3)).unwrap();
    assert_eq!((prepared.counts.as_slice(), prepared.cached), (&[3, 2][..], false));
    assert_eq!(prepared.names()[4], "phantom/covid/00001.png");
    assert_eq!(MappedCorpus::open(&prepared.folder).unwrap().shape(), [5, 16, 16]);
    assert!(place.prepare(phantom(1, 0.3)).unwrap().cached);
    assert!(!place.prepare(phantom(2, 0.3)).unwrap().cached);
    assert!(!place.prepare(phantom(1, 0.4)).unwrap().cached);
    let message = place.prepare(phantom(1, 2.0)).unwrap_err().to_string();
    assert!(message.contains("difficulty of 2"), "{message}");
}

#[test]
fn settings_that_make_no_corpus_are_refused() {
    let place = Place::with(1, 1);
    let message = |change: &dyn Fn(&mut Dataset)| place.prepare(change).unwrap_err().to_string();
    assert!(message(&|dataset| dataset.image_size = 0).contains("size of 0"));
    assert!(message(&|dataset| dataset.blur = Some(Blur { kernel: 4, sigma: 1.0 })).contains("odd"));
    assert!(message(&|dataset| dataset.classes.clear()).contains("0 classes"));
    assert!(message(&|dataset| dataset.classes = vec!["x".to_owned(); 257]).contains("257 classes"));
}
