//! The file system that a folder lies on: whether other machines may write there, and how much room is left.

use std::{io, path::Path};

use nix::{
    sys::{
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
    }
}
