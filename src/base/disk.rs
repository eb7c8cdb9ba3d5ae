//! The file system that a folder lies on: whether other machines may write there, and how much room is left.

use std::{io, os::unix::fs::MetadataExt as _, path::Path};

use nix::{
    sys::{
        stat::{major, minor},
        statfs::{self, FsType, statfs},
        statvfs::statvfs,
    },
    unistd::{AccessFlags, access},
};

/// As OpenZFS has it.
const ZFS: FsType = FsType(0x2fc1_2fc1);

/// File systems of one machine: locks of all processes that use them are seen by all.
const LOCAL: [FsType; 6] = [
    statfs::EXT4_SUPER_MAGIC,
    statfs::XFS_SUPER_MAGIC,
    statfs::BTRFS_SUPER_MAGIC,
    statfs::TMPFS_MAGIC,
    statfs::OVERLAYFS_SUPER_MAGIC,
    ZFS,
];

/// Whether other machines may write to the folder: it lies on a file system of a network, or on one of unknown kind.
#[must_use]
pub fn may_be_shared(folder: &Path) -> bool {
    statfs(folder).map_or(true, |found| !LOCAL.contains(&found.filesystem_type()))
}

/// File systems of a network, and those that several machines have mounted at once: by their magic numbers, as `statfs(2)` and
/// their sources have them.
const NETWORK: [(u64, &str); 18] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x564c, "ncp"),
    (0xaad7_aaea, "panfs"),
    (0x2003_0528, "orangefs"),
    (0x7461_636f, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x013f_d6e8, "weka"),
    (0x7635_7661, "vast"),
];
/// File systems in user space (`fuse.NAME` in `/proc/self/mountinfo`) that are of a network.
const NETWORK_FUSE: [&str; 14] = [
    "sshfs",
    "glusterfs",
    "ceph",
    "ceph-fuse",
    "cephfs",
    "juicefs",
    "JuiceFS",
    "rclone",
    "s3fs",
    "goofys",
    "mfs",
    "moosefs",
    "lizardfs",
    "cvmfs2",
];

/// The kind of the file system of a network that a file lies on, or would lie on; `None` for one of this machine, and where it is
/// not known.
#[must_use]
pub fn network(path: &Path) -> Option<&'static str> {
    let whole = std::path::absolute(path).ok()?;
    // What is not there yet lies where the nearest folder does that is.
    let there = whole.ancestors().find(|folder| folder.exists())?;
    let kind = statfs(there).ok()?.filesystem_type();
    if kind == statfs::FUSE_SUPER_MAGIC {
        let device = std::fs::metadata(there).ok()?.dev();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        return network_fuse(&mounts, device);
    }
    NETWORK.iter().find(|(magic, _)| u64::try_from(kind.0) == Ok(*magic)).map(|(_, name)| *name)
}

/// The name of a file system in user space on this device, where that is one of a network.
fn network_fuse(mounts: &str, device: u64) -> Option<&'static str> {
    let device = format!("{}:{}", major(device), minor(device));
    // `36 35 98:0 /root /mount options - type source options`, proc(5).
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device.as_str()))?;
    let kind = line.split(" - ").nth(1)?.split(' ').next()?.strip_prefix("fuse.")?;
    NETWORK_FUSE.into_iter().find(|name| *name == kind)
}

/// Bytes that this user may still write where the folder lies.
///
/// # Errors
/// Where the file system does not answer.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}

/// Whether this user may write to a file, or to the names in a folder.
#[must_use]
pub fn may_write(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_and_one_that_is_not_there_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        let missing = folder.path().join("missing");
        assert!(free_bytes(&missing).is_err());
        assert!(may_write(folder.path()) && !may_write(&missing));
        assert!(may_be_shared(&missing));
        // The kernel's own, which is of no network and of no disk either.
        assert!(may_be_shared(Path::new("/proc")));
        assert_eq!((network(folder.path()), network(&missing)), (None, None));
    }

    #[test]
    fn file_systems_in_user_space_are_known_by_their_names() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      40 22 0:51 / /far rw,nosuid shared:9 - fuse.sshfs me@far: rw\n\
                      41 22 0:52 / /near rw - fuse.gocryptfs /secret rw\n";
        let of = |minor| network_fuse(mounts, nix::sys::stat::makedev(0, minor));
        assert_eq!((of(51), of(52), of(53)), (Some("sshfs"), None, None));
    }
}
