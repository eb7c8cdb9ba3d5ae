//! Gridboard's end of the keeper: starts it, and speaks with it.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use tokio::{io::Interest, net};

use super::{
    keeper::VERB,
    token::Family,
    wire::{Report, Request, Wire},
};

/// A live keeper. Dropping it ends its attempts, and waits until that is done.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    /// The same socket, to be woken by.
    news: net::UnixStream,
    child: Child,
}

impl Connection {
    /// Starts a keeper; it holds the lock, if there is one, for as long as anything of it lives.
    ///
    /// Not waited for: what is sent reaches it once it is ready.
    pub(super) fn new(family: Family, lock: Option<&Path>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let same = ours.try_clone()?;
        let wire = Wire::new(ours)?;
        let news = net::UnixStream::from_std(same)?;
        // By this name, and not by that of its file: a program that is built or installed anew meanwhile is
        // another one.
        let child = Command::new("/proc/self/exe")
            .arg0("gridboard")
            .args([VERB, &family.to_text()])
            .args(lock)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // Not the terminal's: a Ctrl-C is for Gridboard alone.
            .process_group(0)
            .spawn()?;
        Ok(Self { wire, news, child })
    }

    pub(super) fn send(&mut self, request: &Request) -> io::Result<()> {
        self.wire.send(request)
    }

    /// What has come. An error is the end of the keeper.
    pub(super) fn receive(&mut self) -> io::Result<Vec<Report>> {
        let reports = self.wire.receive()?;
        if reports.is_empty() && self.wire.has_ended() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its keeper has ended"));
        }
        Ok(reports)
    }

    /// Waits for the next word without letting anybody else run.
    pub(super) fn wait(&self) -> io::Result<()> {
        self.wire.wait()
    }

    /// Waits until there may be something to receive. To be called when nothing is.
    pub(super) async fn readable(&self) {
        if self.news.readable().await.is_ok() {
            // To be woken by what comes from now on; the caller takes what has come.
            let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.news.try_io(Interest::READABLE, nothing);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One that is gone already is closed.
        let _ = self.wire.close();
        // An error means that somebody else has taken note of its end.
        let _ = self.child.wait();
    }
}
