//! Several machines that do not see one another's locks, on one folder.

use proptest::prelude::*;

use super::*;

const MACHINES: [Here<'static>; 3] = [
    Here { host: "login1", boot_id: Some("b1") },
    Here { host: "login2", boot_id: Some("b2") },
    Here { host: "login3", boot_id: Some("b3") },
];

/// Somebody there wants the experiment, with a lock that no other machine sees.
fn wants<'a>(machine: usize, dir: &'a ExperimentDir, take_over: bool) -> Wanted<'a> {
    Wanted::on(MACHINES[machine], dir, take_over, Some(tempfile::tempfile().unwrap()))
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease(lock: &ExperimentLock) -> &HeldLease {
    lock.lease.as_ref().unwrap()
}

#[track_caller]
fn taken(taking: Taking) -> ExperimentLock {
    match taking {
        Taking::Taken(lock) => lock,
        other => panic!("not taken: {other:?}"),
    }
}

#[track_caller]
fn watched(taking: Taking) -> String {
    match taking {
        Taking::Watched(quiet) => quiet.to_string(),
        other => panic!("not watched: {other:?}"),
    }
}

#[test]
fn a_holder_on_another_machine_is_watched_and_a_dead_one_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::at(folder.path());
    let first = taken(wants(0, &dir, false).look(at(0)).unwrap());
    let mut second = wants(1, &dir, false);
    let words = format!("process {} on login1: no sign of life for 0 s of 30", std::process::id());
    assert_eq!(watched(second.look(at(1000)).unwrap()), words);
    lease(&first).beat();
    assert!(matches!(second.look(at(1005)).unwrap(), Taking::Held));
    assert_eq!(dir.lock_holder().unwrap().host, "login1");
    // It is let go in order.
    drop(first);
    let second = taken(wants(1, &dir, false).look(at(0)).unwrap());
    assert_eq!(dir.lock_holder().unwrap().host, "login2");
    lease(&second).die();
    let mut third = wants(0, &dir, false);
    for seconds in 7..37 {
        watched(third.look(at(seconds)).unwrap());
    }
    let third = taken(third.look(at(37)).unwrap());
    assert!(third.taken_by().is_none());
    // Its own machine asks the process.
    let again = wants(0, &dir, false).look(at(0)).unwrap();
    assert!(matches!(again, Taking::Held));
    lease(&third).die();
    taken(wants(0, &dir, false).look(at(0)).unwrap());
}

#[test]
fn a_live_holder_that_is_outbid_is_waited_for_and_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::at(folder.path());
    let first = taken(wants(0, &dir, false).look(at(0)).unwrap());
    let mut second = wants(1, &dir, true);
    watched(second.look(at(0)).unwrap());
    // A sign of life from before it has looked around.
    assert_eq!(first.taken_by(), None);
    watched(second.look(at(29)).unwrap());
    lease(&first).beat();
    assert_eq!(first.taken_by(), Some(format!("process {} on login2", std::process::id())));
    watched(second.look(at(31)).unwrap());
    drop(first);
    let second = taken(second.look(at(32)).unwrap());
    assert_eq!(dir.lock_holder().unwrap().host, "login2");
    // Nobody outbids one that does not answer for ever.
    let mut third = wants(2, &dir, true);
    watched(third.look(at(0)).unwrap());
    let third = taken(third.look(at(30)).unwrap());
    lease(&second).beat();
    assert!(second.taken_by().is_some() && third.taken_by().is_none());
}

#[test]
fn a_lock_that_nobody_will_free_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::at(folder.path());
    // As a server keeps it for a machine that has gone.
    let kept = try_lock(&dir).unwrap().unwrap();
    let first = taken(wants(0, &dir, false).look(at(0)).unwrap());
    lease(&first).die();
    let mut second = Wanted::on(MACHINES[1], &dir, false, None);
    watched(second.look(at(0)).unwrap());
    let second = taken(second.look(at(30)).unwrap());
    assert!(try_lock(&dir).unwrap().is_none(), "the new one is held");
    drop((kept, second));
    assert!(try_lock(&dir).unwrap().is_some());
}

#[test]
fn what_is_no_lease_is_watched_and_a_copy_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ExperimentDir::at(folder.path());
    fs::create_dir(dir.leases()).unwrap();
    fs::write(dir.leases().join("00000007"), "half").unwrap();
    let mut wanted = wants(0, &dir, false);
    assert_eq!(watched(wanted.look(at(0)).unwrap()), "another process: no sign of life for 0 s of 30");
    let first = taken(wanted.look(at(30)).unwrap());
    assert_eq!(lease(&first).number(), 8);
    let copy = ExperimentDir::at(&folder.path().join("copy"));
    fs::create_dir_all(copy.leases()).unwrap();
    fs::copy(dir.leases().join("00000008"), copy.leases().join("00000008")).unwrap();
    if !may_be_shared(folder.path()) {
        taken(wants(1, &copy, false).look(at(0)).unwrap());
    }
}

/// What a machine is at.
enum At<'a> {
    Nothing,
    Wants(Wanted<'a>),
    Holds(ExperimentLock),
}

proptest! {
    /// Whoever gives its signs of life never shares the experiment with another one, whatever else happens.
    #[test]
    fn of_several_machines_one_holds_an_experiment(
        steps in proptest::collection::vec((0_usize..3, 0_u8..8), 1..80)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        let mut machines = [At::Nothing, At::Nothing, At::Nothing];
        let mut now = 0;
        for (machine, step) in steps {
            let before = std::mem::replace(&mut machines[machine], At::Nothing);
            // Each has a clock of its own.
            let time = at(now + 1000 * machine as u64);
            machines[machine] = match (before, step) {
                (At::Nothing, 0 | 1) => At::Wants(wants(machine, &dir, step == 1)),
                (At::Wants(mut wanted), 0..=3) => match wanted.look(time).unwrap() {
                    Taking::Taken(lock) => At::Holds(lock),
                    Taking::Held => At::Nothing,
                    Taking::Watched(_) => At::Wants(wanted),
                },
                (At::Holds(lock), 4) => {
                    lease(&lock).die();
                    std::mem::forget(lock);
                    At::Nothing
                }
                (At::Wants(_) | At::Holds(_), 5) => At::Nothing,
                (before, 6 | 7) => {
                    now += if step == 6 { 5 } else { 2 };
                    before
                }
                (before, _) => before,
            };
            if step >= 6 {
                for machine in &mut machines {
                    match machine {
                        At::Holds(lock) => {
                            lease(lock).beat();
                            if lock.taken_by().is_some() {
                                *machine = At::Nothing;
                            }
                        }
                        At::Wants(Wanted { ours: Some(ours), .. }) => ours.beat(),
                        At::Wants(_) | At::Nothing => {}
                    }
                }
            }
            let holders = machines.iter().filter(|machine| matches!(machine, At::Holds(_))).count();
            prop_assert!(holders <= 1, "{holders} hold it at {now} s");
        }
    }
}
