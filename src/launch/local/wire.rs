//! What Gridboard, the keeper and the supervisors tell one another, and how: JSON with its length before it,
//! over a pair of Unix sockets. The end of a socket is the end of whoever held the other one.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// To the keeper, and on to a supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start an attempt.
    Start(Box<Order>),
    /// Ask an attempt to end, or end it.
    Stop {
        /// The run.
        run: u64,
        /// SIGKILL to all of it, and not SIGTERM to its group.
        kill: bool,
    },
}

/// An attempt to be started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) run: u64,
    /// The number of its token.
    pub(super) token: u64,
    pub(super) run_dir: OsString,
    /// The line before its part of the log.
    pub(super) title: String,
    /// Bytes that the log may have.
    pub(super) log_limit: u64,
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    /// On top of the environment that there is.
    pub(super) env: Vec<(String, OsString)>,
    /// Where it is started; none for where the supervisor is.
    pub(super) folder: Option<OsString>,
    /// Whether its standard input is a pipe that ends with the supervisor; it is empty otherwise.
    pub(super) lifeline: bool,
}

/// From a supervisor, and on to Gridboard.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The attempt's process is alive.
    Started {
        run: u64,
        pid: i32,
        /// Length of the log before it.
        log_start: u64,
    },
    /// There is no process.
    NotStarted {
        run: u64,
        /// What failed.
        step: Step,
        /// As the operating system says it.
        errno: i32,
    },
    /// The attempt's process and everything that it started have ended.
    Ended {
        run: u64,
        /// As `wait` has it.
        status: i32,
        /// Bytes; none where it cannot be told from the supervisor's own.
        peak_memory: Option<u64>,
        core_seconds: f64,
        /// Bytes that were taken out of the log.
        log_cut: u64,
    },
    /// The supervisor has ended without a word. What it watched over is killed.
    Lost { run: u64 },
}

/// The steps of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// A process to watch over it.
    Supervisor,
    /// Its log.
    Log,
    /// Its process.
    Program,
}

impl Report {
    pub(super) fn run(&self) -> u64 {
        match self {
            Self::Started { run, .. }
            | Self::NotStarted { run, .. }
            | Self::Ended { run, .. }
            | Self::Lost { run } => *run,
        }
    }

    /// Whether it is the last one of its attempt.
    pub(super) fn is_last(&self) -> bool {
        !matches!(self, Self::Started { .. })
    }
}

/// A message may have so many bytes; a command line and environment have at most 2 MiB, a byte as at most
/// four characters.
const LONGEST: usize = 16 << 20;

/// One end of a pair of sockets, which never waits for what has not come yet.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UnixStream,
    /// What has come of the next message.
    buffer: Vec<u8>,
    has_ended: bool,
}

impl Wire {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, buffer: Vec::new(), has_ended: false })
    }

    /// Sends a message, and waits where the other end is slow.
    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(message)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(json);
        let mut rest: &[u8] = &bytes;
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_for(PollFlags::POLLOUT)?
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The messages that have come. Half of one stays for the next call.
    pub(super) fn receive<Message: DeserializeOwned>(&mut self) -> io::Result<Vec<Message>> {
        let mut chunk = [0; 16 << 10];
        while !self.has_ended {
            match self.socket.read(&mut chunk) {
                Ok(0) => self.has_ended = true,
                Ok(read) => self.buffer.extend(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A reset: the other end was closed with unread messages.
                Err(_) => self.has_ended = true,
            }
        }
        let mut messages = Vec::new();
        let mut at = 0;
        while let Some(head) = self.buffer.get(at..at + 4) {
            let length = head.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
            if length > LONGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without end"));
            }
            let Some(json) = self.buffer.get(at + 4..at + 4 + length) else { break };
            messages.push(serde_json::from_slice(json)?);
            at += 4 + length;
        }
        self.buffer.drain(..at);
        Ok(messages)
    }

    /// Whether the other end is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The other end sees its end now.
    pub(super) fn close(&self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Both)
    }

    /// Waits until something has come, or the other end is gone.
    pub(super) fn wait(&self) -> io::Result<()> {
        self.wait_for(PollFlags::POLLIN)
    }

    fn wait_for(&self, what: PollFlags) -> io::Result<()> {
        match poll(&mut [PollFd::new(self.socket.as_fd(), what)], PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn pair() -> (Wire, UnixStream) {
        let (one, two) = UnixStream::pair().unwrap();
        (Wire::new(one).unwrap(), two)
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let (mut sender, receiver) = pair();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            (&receiver).read_to_end(&mut bytes).map(|_| bytes)
        });
        sender.send(&Request::Stop { run: 1, kill: true }).unwrap();
        let order = Order {
            run: 2,
            token: u64::MAX,
            run_dir: OsString::from_vec(b"/runs/\xff".to_vec()),
            title: "é".into(),
            log_limit: 1,
            program: "p".into(),
            args: vec!["x".repeat(100_000).into()],
            env: vec![("A".into(), OsString::from_vec(vec![0xfe]))],
            folder: Some("/x".into()),
            lifeline: true,
        };
        sender.send(&Request::Start(Box::new(order))).unwrap();
        drop(sender);
        let bytes = reader.join().unwrap().unwrap();
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(reader).unwrap();
        let mut seen: Vec<Request> = Vec::new();
        for piece in bytes.chunks(777) {
            writer.write_all(piece).unwrap();
            seen.extend(wire.receive().unwrap());
        }
        assert!(!wire.has_ended());
        drop(writer);
        assert!(wire.receive::<Request>().unwrap().is_empty() && wire.has_ended());
        let [Request::Stop { run: 1, kill: true }, Request::Start(order)] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert_eq!((order.run, order.token, order.args[0].len()), (2, u64::MAX, 100_000));
        assert_eq!(order.run_dir.clone().into_vec(), b"/runs/\xff");
        assert_eq!(order.env[0].1.clone().into_vec(), [0xfe]);
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [&b"\xff\xff\xff\xff"[..], b"\x02\0\0\0no"] {
            let (mut wire, mut other) = pair();
            other.write_all(bytes).unwrap();
            assert!(wire.receive::<Request>().is_err(), "{bytes:?}");
        }
    }
}
