//! The leases of an experiment as files: `.lease/` in its folder, one file for each time that somebody has taken it.
//!
//! The file of the highest number is the lease that counts. One is taken by making the next number, which of several only one
//! can: by a hard link, which file systems of a network do in one step too (and where an answer is lost, the count of the file's
//! names tells, open(2) on `O_EXCL`). Nobody removes a lease that counts, so there is nothing to be raced for: its holder says in
//! it that it has let go. A holder that finds a higher number has lost the experiment.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use super::lease::Lease;
use crate::base::files::PARTIAL;

/// Bytes that a lease is filled up to, so that a sign of life is one write in place.
const SIZE: usize = 1024;
/// None has more, bytes.
const MOST_BYTES: u64 = 1 << 16;

/// The folder of the leases.
#[derive(Clone, Debug)]
pub(super) struct LeaseFiles(PathBuf);

/// The lease that counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Last {
    pub(super) number: u64,
    /// `None`: it cannot be understood.
    pub(super) lease: Option<Lease>,
    /// Whether it lies in another file than the one that it was written to.
    pub(super) is_copied: bool,
}

impl LeaseFiles {
    pub(super) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The numbers that there are.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            entries => {
                let mut numbers = Vec::new();
                for entry in entries? {
                    let name = entry?.file_name();
                    numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
                }
                Ok(numbers)
            }
        }
    }

    fn highest(&self) -> io::Result<Option<u64>> {
        Ok(self.numbers()?.into_iter().max())
    }

    /// The lease that counts; `None` where nobody has ever taken one.
    pub(super) fn last(&self) -> io::Result<Option<Last>> {
        let Some(number) = self.highest()? else { return Ok(None) };
        Ok(Some(self.read(number)?.unwrap_or(Last { number, lease: None, is_copied: false })))
    }

    /// A lease; `None` where its file is gone.
    pub(super) fn read(&self, number: u64) -> io::Result<Option<Last>> {
        // Opened anew each time: that is when file systems of a network look whether a file has changed.
        let file = match File::open(self.path(number)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let inode = file.metadata()?.ino();
        let mut text = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut text)?;
        let lease: Option<Lease> = serde_json::from_slice(&text).ok();
        let is_copied = lease.as_ref().is_some_and(|lease| lease.inode != inode);
        Ok(Some(Last { number, lease, is_copied }))
    }

    /// Makes the file of a number, which nobody else does then. False where somebody has been quicker.
    pub(super) fn take(&self, number: u64, lease: &mut Lease) -> io::Result<bool> {
        fs::create_dir_all(&self.0)?;
        let made = self.0.join(format!("{PARTIAL}{}", lease.nonce));
        let file = File::create_new(&made)?;
        lease.inode = file.metadata()?.ino();
        let linked = file.write_all_at(&text(lease), 0).and_then(|()| self.link(&made, number, lease));
        drop(file);
        let removed = fs::remove_file(&made);
        let is_ours = linked?;
        removed?;
        if is_ours && self.highest()?.is_some_and(|highest| highest > number) {
            // The number was free only because a later one has made it needless.
            let _ = fs::remove_file(self.path(number));
            return Ok(false);
        }
        Ok(is_ours)
    }

    fn link(&self, made: &Path, number: u64, lease: &mut Lease) -> io::Result<bool> {
        let Err(error) = fs::hard_link(made, self.path(number)) else { return Ok(true) };
        // The answer may have been lost, and the request sent again.
        if fs::metadata(made)?.nlink() == 2 {
            return Ok(true);
        }
        match error.kind() {
            ErrorKind::AlreadyExists => Ok(false),
            // A file system without links: the file is not whole at once there, which readers put up with.
            ErrorKind::PermissionDenied | ErrorKind::Unsupported => match File::create_new(self.path(number))
            {
                Ok(file) => {
                    lease.inode = file.metadata()?.ino();
                    file.write_all_at(&text(lease), 0)?;
                    Ok(true)
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            },
            _ => Err(error),
        }
    }

    /// Writes a lease of ours anew, in place.
    pub(super) fn rewrite(&self, number: u64, lease: &Lease) -> io::Result<()> {
        File::options().write(true).open(self.path(number))?.write_all_at(&text(lease), 0)
    }

    /// Makes this machine forget what it has kept of the folder in memory: a file system of a network does when its own machine
    /// has changed the folder. Where it cannot, what is seen may be as old as a minute.
    pub(super) fn refresh(&self, nonce: &str) {
        let path = self.0.join(format!("{PARTIAL}look-{nonce}"));
        if File::create(&path).is_ok() {
            let _ = fs::remove_file(&path);
        }
    }

    /// Removes the leases before this one, which count no more.
    pub(super) fn remove_before(&self, number: u64) {
        for earlier in self.numbers().unwrap_or_default().into_iter().filter(|earlier| *earlier < number) {
            // What stays is passed over.
            let _ = fs::remove_file(self.path(earlier));
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number:08}"))
    }
}

fn text(lease: &Lease) -> Vec<u8> {
    let mut text = serde_json::to_vec(lease).expect("words and finite numbers are JSON");
    text.resize((text.len() + 1).next_multiple_of(SIZE) - 1, b' ');
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(nonce: &str) -> Lease {
        Lease {
            host: "login1".to_owned(),
            pid: 7,
            pid_start: None,
            boot_id: None,
            nonce: nonce.to_owned(),
            inode: 0,
            every: 5.0,
            beat: 0,
            left: false,
        }
    }

    #[test]
    fn of_several_one_takes_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let files = LeaseFiles::at(&folder.path().join("leases"));
        assert_eq!(files.last().unwrap(), None);
        let won: usize = std::thread::scope(|scope| {
            let take = |place: usize| {
                let files = files.clone();
                scope.spawn(move || usize::from(files.take(1, &mut lease(&place.to_string())).unwrap()))
            };
            (0..8).map(take).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert_eq!(fs::read_dir(folder.path().join("leases")).unwrap().count(), 1, "no litter");
        let mut second = lease("x");
        assert!(files.take(2, &mut second).unwrap());
        let (beat, left) = (u64::MAX, true);
        let second = Lease { beat, left, ..second };
        files.rewrite(2, &second).unwrap();
        files.refresh("x");
        assert_eq!(
            files.last().unwrap(),
            Some(Last { number: 2, lease: Some(second.clone()), is_copied: false })
        );
        files.remove_before(2);
        assert_eq!(files.numbers().unwrap(), [2]);
        // Too late: a later one has made the number needless.
        assert!(!files.take(1, &mut lease("late")).unwrap());
        assert_eq!(files.numbers().unwrap(), [2]);
        fs::copy(files.path(2), files.path(3)).unwrap();
        assert!(files.last().unwrap().unwrap().is_copied);
        fs::write(files.path(4), "half a li").unwrap();
        assert_eq!(files.last().unwrap(), Some(Last { number: 4, lease: None, is_copied: false }));
    }
}
