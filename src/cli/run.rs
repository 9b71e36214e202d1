//! `portolan run`: a command, and its service in the registry for as long as the command runs.
//!
//! The command is the master: a registry that does not answer keeps nothing from running, and is told when it is back.
//! What this says goes to standard error; standard input and output are the command's.

mod check;
mod child;

use std::convert::Infallible;
use std::ffi::OsString;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::{sleep, timeout};

use crate::api::{self, ReportedStatus};
use crate::client::{self, Client, Registration, Standing};
use crate::service::ServiceType;

use self::check::{Check, Probe};
use self::child::Child;
use super::Registry;
use super::details::Details;
use super::failure::Failure;
use super::output;
use super::signals::Signals;

/// From one try to register to the next.
const RETRY: Duration = Duration::from_secs(1);
/// How long a command that has ended waits for an answer of the registry, so that what it may have done is undone.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// The first pause before the command is started again; doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause. A command that ran for longer than this is one that works: the next pause is the first.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// Run a command and keep its service registered while it runs.
///
/// The command finds its port in $PORT, and in its arguments where they say '$PORT'. It is in DNS from its start, or with --check from when it answers, until it
/// ends or is told to: SIGTERM and SIGINT take the service out, then reach the command. SIGHUP is as SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// auth or _auth._tcp
    service: String,
    /// Where the service will listen; 0 is a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What shows that it is ready: tcp, for a connection to its port, or a URL that is answered with 2xx, such as
    /// `http://localhost/health`, where the port is the service's unless it is given.
    #[arg(long, value_name = "tcp|URL")]
    check: Option<Check>,
    /// Start the command again when it ends, each time a little later.
    #[arg(long)]
    respawn: bool,
    #[command(flatten)]
    details: Details,
    #[command(flatten)]
    registry: Registry,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How a run of the command ended.
enum End {
    Told(ExitStatus),
    Itself(ExitStatus),
}

/// What ends a run.
enum Event {
    Ended(ExitStatus),
    /// The first signal came when it had ended.
    ToldToo(ExitStatus),
    Told(u8),
    Refused(client::Error),
}

impl Run {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::catch_all().map_err(|error| Failure::Start(error.into()))?;
        let client = self.registry.client()?;
        let service_type = ServiceType::new(&self.service, self.details.transport());
        let transport =
            service_type.map_err(|error| Failure::Usage(format!("{:?} {error}", self.service)))?.transport();
        let port = if self.port == 0 {
            child::free_port(transport).map_err(|error| Failure::Start(error.into()))?
        } else {
            self.port
        };
        let probe = self.check.map(|check| Probe::new(check, port)).transpose();
        let probe = probe.map_err(|error| Failure::Start(error.into()))?;
        let mut wanted = self.details.registration(self.service, port);
        wanted.status = probe.is_some().then_some(ReportedStatus::Starting);
        let mut pause = PAUSE_FIRST;
        loop {
            let began = Instant::now();
            let child = Child::spawn(&self.command, port)?;
            let status = match attend(child, &client, &wanted, probe.as_ref(), &mut signals).await? {
                End::Itself(status) if self.respawn => status,
                End::Itself(status) | End::Told(status) => return child::pass_on(status),
            };
            if began.elapsed() > PAUSE_LONGEST {
                pause = PAUSE_FIRST;
            }
            let text = humantime::format_duration(pause);
            output::complain(&format!("the command ended ({status}); starting it again in {text}"));
            tokio::select! {
                () = sleep(pause) => {}
                _ = signals.next() => return child::pass_on(status),
            }
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }
}

/// Keeps the service registered while `child` runs.
async fn attend(
    mut child: Child,
    client: &Client,
    wanted: &api::Registration,
    probe: Option<&Probe>,
    signals: &mut Signals,
) -> Result<End, Failure> {
    let mut first = pin!(register(client, wanted));
    let mut held = None;
    let mut event = tokio::select! {
        status = child.ended() => Event::Ended(status),
        (_, number) = signals.next() => Event::Told(number),
        done = &mut first => match done {
            Err(error) => Event::Refused(error),
            Ok(registration) => {
                let registration = held.insert(registration);
                tokio::select! {
                    status = child.ended() => Event::Ended(status),
                    (_, number) = signals.next() => Event::Told(number),
                    never = look_after(registration, probe) => match never {},
                }
            }
        },
    };
    // Before the command is told: nobody is to be sent to a service that is about to end.
    let first = (held.is_none() && !matches!(event, Event::Refused(_))).then_some(first);
    let mut gone = pin!(take_out(held, first));
    loop {
        tokio::select! {
            () = &mut gone => break,
            (_, number) = signals.next() => match event {
                Event::Ended(status) => event = Event::ToldToo(status),
                _ => return Err(Failure::Signal(number)),
            },
        }
    }
    match event {
        Event::Ended(status) => Ok(End::Itself(status)),
        Event::ToldToo(status) => Ok(End::Told(status)),
        Event::Told(number) => Ok(End::Told(child.end(number, signals).await?)),
        Event::Refused(error) => {
            child.end(15, signals).await?;
            Err(error.into())
        }
    }
}

/// Deregisters what is held, or else what `first` may yet do.
async fn take_out(
    held: Option<Registration>,
    first: Option<impl Future<Output = Result<Registration, client::Error>>>,
) {
    let held = match (held, first) {
        (None, Some(first)) => timeout(LAST_WAIT, first).await.ok().and_then(Result::ok),
        (held, _) => held,
    };
    if let Some(registration) = held
        && let Err(error) = registration.deregister().await
    {
        output::complain(&format!("{error}; the instance goes with its lease, if it has one"));
    }
}

/// Tries until the registry answers, and gives up only where it refuses for good.
async fn register(client: &Client, wanted: &api::Registration) -> Result<Registration, client::Error> {
    let mut is_told = false;
    loop {
        match client.register(wanted.clone()).await {
            Ok(registration) => {
                if let Standing::Registered(heartbeat) = &*registration.standing().borrow() {
                    output::complain(&format!("registered: {}", heartbeat.name.trim_end_matches('.')));
                }
                return Ok(registration);
            }
            Err(error) if !is_temporary(&error) => return Err(error),
            Err(error) if !is_told => output::complain(&format!("{error}; trying again")),
            Err(_) => {}
        }
        is_told = true;
        sleep(RETRY).await;
    }
}

fn is_temporary(error: &client::Error) -> bool {
    match error {
        client::Error::Unreachable { .. } => true,
        _ => error.kind().is_some_and(api::Kind::is_temporary),
    }
}

async fn look_after(registration: &Registration, probe: Option<&Probe>) -> Infallible {
    tokio::select! {
        never = tell(registration) => never,
        never = report(registration, probe) => never,
    }
}

/// Says when the registry is not reached any more, and when it is again.
async fn tell(registration: &Registration) -> Infallible {
    let mut standing = registration.standing();
    let mut is_well = true;
    // It changes for as long as the registration is held.
    while standing.changed().await.is_ok() {
        let was_well = is_well;
        match &*standing.borrow_and_update() {
            Standing::Registered(heartbeat) => {
                is_well = true;
                if !was_well {
                    output::complain(&format!("registered again: {}", heartbeat.name.trim_end_matches('.')));
                }
            }
            Standing::Retrying(reason) => {
                is_well = false;
                if was_well {
                    output::complain(&format!("{reason}; trying again"));
                }
            }
        }
    }
    std::future::pending().await
}

/// Reports whether the check passes, whenever that changes.
async fn report(registration: &Registration, probe: Option<&Probe>) -> Infallible {
    let Some(probe) = probe else { return std::future::pending().await };
    loop {
        probe.until_passing().await;
        output::complain("the check passes: the service is up");
        registration.report(ReportedStatus::Up);
        let reason = probe.until_failing().await;
        output::complain(&format!("the check fails: {reason}"));
        registration.report(ReportedStatus::Starting);
    }
}
