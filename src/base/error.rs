//! How an error is put into words for the user: once, with its causes. And which errors pass by themselves.

use std::{error::Error, io};

use nix::errno::Errno;

/// An error and its causes on one line, without those that its text tells already.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text += &format!(": {words}");
        }
        cause = error.source();
    }
    text
}

/// Whether an operation failed for want of something that is given back sooner or later: descriptors, processes, memory,
/// room on the disk.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.is_some_and(|errno| {
        use Errno::{EAGAIN, EDQUOT, EMFILE, ENFILE, ENOMEM, ENOSPC};
        [EMFILE, ENFILE, EAGAIN, ENOMEM, ENOSPC, EDQUOT].contains(&errno)
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("cannot read `a`")]
        Silent(#[source] io::Error),
        #[error("cannot read `a`: {0}")]
        Telling(#[source] io::Error),
    }

    #[test]
    fn a_full_disk_passes_and_a_missing_file_does_not() {
        let of = |errno| is_shortage(&io::Error::from_raw_os_error(errno as i32));
        assert!(of(Errno::ENOSPC) && of(Errno::EMFILE) && of(Errno::EAGAIN));
        assert!(!of(Errno::ENOENT) && !of(Errno::EISDIR) && !is_shortage(&io::Error::other("none")));
    }

    #[test]
    fn every_cause_is_told_once() {
        let cause = || io::Error::other("no disk");
        assert_eq!(with_causes(&Sample::Silent(cause())), "cannot read `a`: no disk");
        assert_eq!(with_causes(&Sample::Telling(cause())), "cannot read `a`: no disk");
    }
}
