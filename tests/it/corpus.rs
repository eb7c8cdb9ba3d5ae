//! `gridboard corpus`: on images with planted faults, on phantoms, and what a sweep does with a test set.

use std::{fs, path::Path};

use image::{GrayImage, ImageFormat, imageops};

use crate::support::Project;

/// A picture that no other `seed` has: ribs and blobs of its own.
fn picture(seed: u32, side: u32) -> GrayImage {
    // A product alone is linear: pictures of near seeds would be each other's, moved a little.
    let noise = |n: u32| {
        let mut bits = (seed * 7919 + n + 1).wrapping_mul(2_654_435_761);
        bits = (bits ^ bits >> 15).wrapping_mul(2_246_822_519);
        bits = (bits ^ bits >> 13).wrapping_mul(3_266_489_917);
        f64::from((bits ^ bits >> 16) >> 16) / 65_536.0
    };
    GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
        let blobs: f64 = (0..14)
            .map(|n| {
                let (cx, cy) = (noise(3 * n), noise(3 * n + 1));
                (0.3 + noise(3 * n + 2)) * (-((x - cx).powi(2) + (y - cy).powi(2)) * 120.0).exp()
            })
            .sum();
        image::Luma([(40.0 + 160.0 * blobs.min(1.3)) as u8])
    })
}

fn save(image: &GrayImage, path: &Path, format: ImageFormat) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
    image.save_with_format(path, format).expect("write the image");
}

/// Twelve pictures of each class, all of one size and format.
fn clean(project: &Project, folder: &str) {
    for seed in 0..24 {
        let class = if seed < 12 { "normal" } else { "covid" };
        let path = project.path(&format!("{folder}/{class}/{seed:02}.png"));
        save(&picture(seed, 96), &path, ImageFormat::Png);
    }
}

const SPEC: &str = "experiment: audited
dataset: {images: images, classes: [normal, covid], image_size: 64}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0, layer_size: 8}
train: {epochs: 1}
";

#[test]
fn a_clean_folder_has_no_warnings() {
    let project = Project::new();
    clean(&project, "images");
    let ran = project.run(&["corpus", "images", "--strict", "--figure", "counts"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for part in ["Classes (Tab. 1, Fig. 2)", "8-bit gray", "96 / 96 / 96", "none of what was looked for"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(project.path("counts.svg").exists() && project.path("counts.png").exists());
    assert!(!project.path("runs").exists(), "a folder belongs to no experiment");
}

#[test]
fn planted_faults_are_found() {
    let project = Project::new();
    clean(&project, "images");
    let at = |file: &str| project.path(&format!("images/{file}"));
    // The same bytes, the same pixels in another format's bytes, another size, and a label that was flipped.
    fs::copy(at("normal/00.png"), at("normal/copy.png")).unwrap();
    save(&picture(1, 96), &at("normal/webp.webp"), ImageFormat::WebP);
    save(
        &imageops::resize(&picture(2, 96), 71, 71, imageops::FilterType::Triangle),
        &at("normal/small.png"),
        ImageFormat::Png,
    );
    save(&picture(3, 96), &at("covid/flipped.jpg"), ImageFormat::Jpeg);
    fs::write(at("covid/notes.txt"), "no image").unwrap();

    let ran = project.run(&["corpus", "images", "--pairs", "--format", "csv"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Vec<Vec<&str>> = ran.stdout.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let pairs: Vec<[&str; 3]> = told.iter().map(|line| [line[0], line[1], line[4]]).collect();
    assert_eq!(
        pairs,
        [
            ["near", "covid/flipped.jpg", "normal/03.png"],
            ["same file", "normal/00.png", "normal/copy.png"],
            ["same pixels", "normal/01.png", "normal/webp.webp"],
            ["near", "normal/02.png", "normal/small.png"],
        ]
    );

    let strict = project.run(&["corpus", "images", "--strict", "--format", "json"]);
    assert_eq!(strict.code, Some(1));
    let audit: serde_json::Value = serde_json::from_str(&strict.stdout).expect("JSON");
    let warnings: Vec<(&str, u64)> = audit["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| (warning["kind"].as_str().unwrap(), warning["count"].as_u64().unwrap()))
        .collect();
    // So few pictures may be told apart by their gray levels as well: that warning has tests of its own.
    let planted: Vec<_> = warnings.into_iter().filter(|(kind, _)| *kind != "shortcut").collect();
    assert_eq!(planted, [("label_conflict", 2), ("duplicate", 4), ("unreadable", 1)]);
    assert_eq!(audit["unreadable"][0]["file"], "covid/notes.txt");
}

#[test]
fn a_spec_is_checked_across_its_split_and_kept_for_the_report() {
    let project = Project::with_spec(SPEC);
    clean(&project, "images");
    // Each picture once more: some copies must fall on the other side.
    for seed in 0..24 {
        let class = if seed < 12 { "normal" } else { "covid" };
        let image = project.path(&format!("images/{class}/{seed:02}.png"));
        fs::copy(&image, image.with_file_name(format!("{seed:02}b.png"))).unwrap();
    }
    let ran = project.run(&["corpus", "spec.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("remembered, not recognised"), "{}", ran.stdout);
    let kept: serde_json::Value =
        serde_json::from_str(&project.read("runs/audited/corpus_audit.json")).unwrap();
    let leaked = kept["duplicates"]["leaked_validation"].as_u64().unwrap();
    assert!(leaked > 0 && kept["is_split"] == true, "{leaked}");

    let grouped = project.run(&["corpus", "spec.yaml", "--group-by", r"^(\d+)", "--format", "json"]);
    let grouped: serde_json::Value = serde_json::from_str(&grouped.stdout).unwrap();
    assert_eq!(grouped["groups"]["groups"], 24);
    assert_eq!(grouped["groups"]["across_parts"].as_array().unwrap().len() as u64, leaked);
    // With the same pattern in the spec, no copy crosses.
    let set =
        project.run(&["corpus", "spec.yaml", "--set", r"dataset.group_by='^(\d+)'", "--format", "json"]);
    let set: serde_json::Value = serde_json::from_str(&set.stdout).unwrap();
    assert_eq!(
        (set["duplicates"]["leaked_validation"].as_u64(), &set["groups"]["across_parts"]),
        (Some(0), &serde_json::json!([]))
    );
}

#[test]
fn a_test_folder_is_counted_and_its_copies_are_told() {
    let project = Project::with_spec(&SPEC.replace("image_size: 64", "image_size: 64, test: held-out"));
    clean(&project, "images");
    for (seed, class) in [(50, "normal"), (51, "covid"), (52, "covid")] {
        save(&picture(seed, 96), &project.path(&format!("held-out/{class}/{seed}.png")), ImageFormat::Png);
    }
    fs::copy(project.path("images/covid/20.png"), project.path("held-out/covid/20.png")).unwrap();
    let plan = project.run(&["plan", "spec.yaml"]);
    assert!(plan.stderr.contains("+ 4 test"), "{}", plan.stderr);
    let ran = project.run(&["corpus", "spec.yaml", "--format", "json"]);
    let audit: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((audit["images"].as_u64(), audit["classes"][1]["test"].as_u64()), (Some(28), Some(3)));
    assert_eq!(audit["duplicates"]["leaked_test"], 1);
    assert_eq!(audit["duplicates"]["pairs"][0]["second"]["part"], "test");
}

#[test]
fn what_cannot_be_checked_is_said() {
    let project = Project::with_spec("experiment: c\nmodel: {family: command, run: [x]}\n");
    fs::create_dir(project.path("empty")).unwrap();
    let message = |arguments: &[&str]| {
        let ran = project.run(arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.stderr
    };
    assert!(message(&["corpus", "empty"]).contains("no folder that holds images"));
    assert!(message(&["corpus", "spec.yaml"]).contains("names no images"));
    assert!(message(&["corpus", "empty", "--set", "a=1"]).contains("no spec to change"));
    clean(&project, "images");
    assert!(message(&["corpus", "images", "--group-by", "("]).contains("group_by"));
    assert!(message(&["corpus", "images", "--group-by", "^zz"]).contains("matches none of 24"));
}
