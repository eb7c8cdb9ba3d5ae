//! The lock within one machine, and leases between several.

use super::*;
use crate::base::{process, program::host};

#[test]
fn one_holds_the_lock_and_others_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::at(folder.path());
    assert!(!dir.is_locked());
    let lock = dir.take_lock().unwrap().expect("nobody holds it");
    assert!(dir.is_locked());
    assert!(dir.take_lock().unwrap().is_none());
    drop(lock);
    assert!(!dir.is_locked());
    assert!(dir.take_lock().unwrap().is_some());
}

#[test]
fn a_look_at_the_lock_refuses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::at(folder.path());
    drop(dir.take_lock().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..2000).filter(|_| dir.is_locked()).count());
        for _ in 0..200 {
            assert!(dir.take_lock().unwrap().is_some());
        }
    });
    assert!(!dir.is_locked(), "nobody holds it any more");
}

#[test]
fn the_lock_says_who_holds_it_and_a_copy_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, copy) = (ExperimentDir::at(folder.path()), ExperimentDir::at(&folder.path().join("copy")));
    assert_eq!((dir.lock_holder(), dir.is_copied()), (None, false));
    std::fs::write(dir.lock(), "of an earlier version, and longer than what stands there now".repeat(9))
        .unwrap();
    assert_eq!((dir.lock_holder(), dir.is_copied()), (None, false));
    let _lock = dir.take_lock().unwrap().unwrap();
    let holder = dir.lock_holder().unwrap();
    assert_eq!((holder.pid, holder.host.as_str()), (std::process::id(), host()));
    assert_eq!(holder.pid_start, process::start_of(holder.pid));
    assert!(!dir.is_copied());
    std::fs::create_dir(copy.path()).unwrap();
    std::fs::copy(dir.lock(), copy.lock()).unwrap();
    assert!(copy.is_copied() && !copy.is_locked());
}

#[test]
fn without_a_folder_nobody_sweeps_and_nothing_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::new(folder.path(), "never");
    assert!(!dir.is_locked());
    assert!(dir.take_lock().is_err());
}
