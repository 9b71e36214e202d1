//! The command that runs: how it is told its port, told to end, and what its end says.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{self, Command};

use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::service::Transport;

/// The command, running; killed when dropped.
#[derive(Debug)]
pub(super) struct Child(process::Child);

impl Child {
    /// Starts it. It finds `port` in its environment, and where its arguments name it: no shell is there to do that.
    pub(super) fn spawn(command: &[OsString], port: u16) -> Result<Self, Failure> {
        let port = port.to_string();
        let (program, arguments) = command.split_first().expect("clap requires one");
        let arguments = arguments.iter().map(|argument| with_port(argument, &port));
        let spawned = Command::new(program).args(arguments).env("PORT", &port).kill_on_drop(true).spawn();
        let child = spawned.map_err(|source| Failure::Spawn { program: program.to_string_lossy().into(), source })?;
        Ok(Self(child))
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        self.0.wait().await.expect("what was started can be waited for")
    }

    /// Hands a signal on and waits for the end; a second one does not wait.
    pub(super) async fn end(mut self, number: u8, signals: &mut Signals) -> Result<ExitStatus, Failure> {
        let signal = if number == 2 { Signal::INT } else { Signal::TERM };
        // Who types Ctrl-C in a terminal has told the command as well.
        let is_told = number == 2 && io::stdin().is_terminal();
        if !is_told && let Some(pid) = self.0.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
            // Where it has just ended there is nobody to tell.
            let _ = kill_process(pid, signal);
        }
        tokio::select! {
            status = self.ended() => Ok(status),
            (_, number) = signals.next() => Err(Failure::Signal(number)),
        }
    }
}

/// One that was free just now: until the command takes it, the system gives others first to whoever asks.
pub(super) fn free_port(transport: Transport) -> io::Result<u16> {
    let any = (Ipv4Addr::UNSPECIFIED, 0);
    let address = match transport {
        Transport::Tcp => TcpListener::bind(any)?.local_addr(),
        Transport::Udp => UdpSocket::bind(any)?.local_addr(),
    };
    Ok(address?.port())
}

/// `argument` with the port for `$PORT` and `${PORT}`, unless a backslash or another `$` is before it, or it goes on as
/// another name, such as `$PORTS`.
fn with_port(argument: &OsStr, port: &str) -> OsString {
    let (mut rest, mut written) = (argument.as_bytes(), Vec::new());
    while let Some(at) = rest.iter().position(|octet| *octet == b'$') {
        let (before, from) = rest.split_at(at);
        written.extend_from_slice(before);
        let is_escaped = written.last().is_some_and(|last| matches!(last, b'\\' | b'$'));
        let after = from.strip_prefix(b"${PORT}").or_else(|| {
            let goes_on =
                |after: &&[u8]| after.first().is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_');
            from.strip_prefix(b"$PORT").filter(|after| !goes_on(after))
        });
        match after {
            Some(after) if !is_escaped => {
                written.extend_from_slice(port.as_bytes());
                rest = after;
            }
            _ => {
                written.push(b'$');
                rest = &from[1..];
            }
        }
    }
    written.extend_from_slice(rest);
    OsString::from_vec(written)
}

/// What the command ended with is what this ends with.
pub(super) fn pass_on(status: ExitStatus) -> Result<(), Failure> {
    let code = status.code().or_else(|| status.signal().map(|number| 128 + number));
    match code.map(|code| u8::try_from(code).unwrap_or(u8::MAX)) {
        Some(0) => Ok(()),
        code => Err(Failure::Command { status, code: code.unwrap_or(u8::MAX) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_the_port_as_a_shell_would() {
        let cases = [
            ("$PORT", "80"),
            ("--listen=127.0.0.1:$PORT/x", "--listen=127.0.0.1:80/x"),
            ("${PORT}1 $PORT$PORT", "801 8080"),
            ("$PORTS $PORT_ $PORT2 ${PORTS}", "$PORTS $PORT_ $PORT2 ${PORTS}"),
            (r"\$PORT $$PORT", r"\$PORT $$PORT"),
            ("$ $HOME PORT $", "$ $HOME PORT $"),
            ("", ""),
        ];
        for (given, becomes) in cases {
            assert_eq!(with_port(given.as_ref(), "80"), becomes, "{given}");
        }
        let raw = OsStr::from_bytes(b"\xff$PORT");
        assert_eq!(with_port(raw, "80").as_bytes(), b"\xff80");
    }
}
