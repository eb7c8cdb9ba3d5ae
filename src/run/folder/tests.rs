//! Folders that are cleared, set aside and restored.

use super::*;

#[test]
fn event_files_are_set_aside_and_come_back_or_go() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    let name = "train/events.out.tfevents.1.host";
    fs::create_dir(folder.path().join("train")).unwrap();
    let write = || fs::write(folder.path().join(name), "x").unwrap();
    let aside = folder.path().join("train/events.out.tf-earlier.1.host");
    write();
    fs::write(run.predictions(), "").unwrap();
    run.set_aside().unwrap();
    assert!(aside.exists() && !folder.path().join(name).exists() && !run.predictions().exists());
    run.restore().unwrap();
    assert!(!aside.exists() && folder.path().join(name).exists());
    run.set_aside().unwrap();
    run.discard().unwrap();
    assert!(!aside.exists() && !folder.path().join(name).exists());
    // A new file of the old name is not overwritten, and the next attempt's clearing takes both.
    write();
    run.set_aside().unwrap();
    write();
    run.restore().unwrap();
    assert!(aside.exists() && folder.path().join(name).exists());
    run.clear().unwrap();
    assert!(!aside.exists() && !folder.path().join(name).exists());
}

#[test]
fn a_folder_is_cleared_of_results_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(&folder.path().join("run"));
    run.clear().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    for dir in [run.path().join("train"), elsewhere.clone()] {
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("events.out.tfevents.1.host"), "").unwrap();
    }
    std::os::unix::fs::symlink(&elsewhere, run.path().join("link")).unwrap();
    for path in [run.run_file(), run.outcome(), run.log(), run.checkpoint(), run.predictions()] {
        fs::write(path, "").unwrap();
    }
    run.clear().unwrap();
    let gone = [run.outcome(), run.predictions(), run.path().join("train/events.out.tfevents.1.host")];
    assert!(gone.iter().all(|path| !path.exists()), "{gone:?}");
    let kept = [run.run_file(), run.log(), run.checkpoint(), elsewhere.join("events.out.tfevents.1.host")];
    assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
}
