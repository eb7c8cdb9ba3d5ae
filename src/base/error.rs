//! How an error is put into words for the user: once, with its causes.

use std::error::Error;

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
    fn every_cause_is_told_once() {
        let cause = || io::Error::other("no disk");
        assert_eq!(with_causes(&Sample::Silent(cause())), "cannot read `a`: no disk");
        assert_eq!(with_causes(&Sample::Telling(cause())), "cannot read `a`: no disk");
    }
}
