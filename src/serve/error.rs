//! Why the page cannot be served.

use std::{io, net::SocketAddr};

use thiserror::Error;

use crate::store::StoreError;

/// Why the page cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Somebody else listens there.
    #[error("port {} of {} is taken", address.port(), address.ip())]
    Taken {
        /// Where.
        address: SocketAddr,
        /// The next port that is free.
        next: Option<u16>,
    },
    /// The address is none of this machine's, or the port is not for everybody.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server has ended.
    #[error("the server has ended: {0}")]
    Ended(io::Error),
    /// There are no random numbers for a token.
    #[error("cannot read random numbers from /dev/urandom: {0}")]
    Random(io::Error),
    /// The runs database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServeError {
    /// What to try.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { next, .. } => Some(match next {
                Some(next) => format!("the next free one: --port {next}"),
                None => "name another with --port".to_owned(),
            }),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Listen { .. } | Self::Ended(_) | Self::Random(_) => None,
        }
    }
}
