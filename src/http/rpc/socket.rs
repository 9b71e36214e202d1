//! `GET /ws`: the methods over a WebSocket, which may own what it registers.
//!
//! Messages are answered one after the other, in their order: a client that sends faster than it is answered waits
//! in its own socket, and none can make the registry keep more than one message for it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::api::{Kind, Problem};
use crate::http::Edge;
use crate::http::handover::Handover;
use crate::http::octets::Share;
use crate::http::request::Sender;
use crate::http::respond::Refused;

use super::caller::Caller;
use super::claims::Session;
use super::message::{dispatch, refusal};

/// Octets of a message, at most, where `http.body_limit` is not smaller: it counts only when it is whole.
const MESSAGE_MAX: usize = 256 << 10;
/// Octets that are read at once. The library's own choice of 128 KiB is kept by every connection, also an idle one.
const READ_BUFFER: usize = 4096;
/// Renewals of what a session owns within its lease: two may be late.
const RENEWALS: u32 = 3;
/// How long a client has to close its end, too.
const LINGER: Duration = Duration::from_secs(1);
/// Octets of the reason in a close frame, at most (RFC 6455 §5.5.1).
const REASON_MAX: usize = 123;

/// `GET /ws`
pub(in crate::http) async fn open(
    State(edge): State<Arc<Edge>>,
    Sender(sender): Sender,
    Extension(handover): Extension<Handover>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("this path is for WebSockets (RFC 6455): {}", rejection.body_text());
        Problem::new(Kind::MalformedRequest, detail)
    })?;
    let limit = edge.config.body_limit.min(MESSAGE_MAX);
    let upgrade = upgrade.read_buffer_size(READ_BUFFER).max_message_size(limit).max_frame_size(limit);
    let (share, go_on) = (handover.share().clone(), handover.begin());
    Ok(upgrade.on_upgrade(async move |socket| {
        let session = Session::new(&edge.claims);
        go_on.with(Link { socket, edge, sender, share, session }.run());
    }))
}

/// A WebSocket at work.
struct Link {
    socket: WebSocket,
    edge: Arc<Edge>,
    sender: IpAddr,
    /// What messages and replies count against.
    share: Share,
    session: Session,
}

/// Why a link ends.
enum End {
    /// The client closed it, or is gone.
    Gone,
    /// We close it, and say why.
    Closed(u16, Cow<'static, str>),
    /// All stop. What the session owns stays for its lease: the client may be back with the registry.
    Stop,
}

impl Link {
    async fn run(mut self) {
        let end = self.serve().await;
        let farewell = match &end {
            End::Gone => None,
            End::Closed(code, reason) => Some((*code, reason.as_ref())),
            End::Stop => Some((close_code::AWAY, "the registry is shutting down")),
        };
        if let Some((code, reason)) = farewell {
            let reason = reason[..reason.floor_char_boundary(REASON_MAX)].into();
            // Who does not take it is gone.
            let _ = self.send(Message::Close(Some(CloseFrame { code, reason }))).await;
        }
        if !matches!(end, End::Stop) {
            self.session.end(&self.edge.registry).await;
        }
        // Who still sends would find the connection reset, and our farewell lost.
        let rest = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        if !matches!(end, End::Gone) {
            let _ = timeout(LINGER, rest).await;
        }
    }

    async fn serve(&mut self) -> End {
        let edge = Arc::clone(&self.edge);
        let idle = edge.config.idle_timeout;
        let mut renewing = interval((edge.terms.leases.default / RENEWALS).max(Duration::from_millis(1)));
        renewing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = std::pin::pin!(sleep(idle));
        let mut asked = false;
        loop {
            let message = tokio::select! {
                message = self.socket.recv() => message,
                () = edge.stop.cancelled() => return End::Stop,
                _ = renewing.tick() => {
                    self.session.renew(&edge.registry).await;
                    continue;
                }
                () = quiet.as_mut() => {
                    if asked {
                        let idle = humantime::format_duration(2 * idle);
                        return End::Closed(close_code::POLICY, format!("nothing was heard for {idle}").into());
                    }
                    asked = true;
                    quiet.as_mut().reset(Instant::now() + idle);
                    match self.send(Message::Ping(Bytes::new())).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    }
                }
            };
            let answered = match message {
                None | Some(Ok(Message::Close(_))) => return End::Gone,
                Some(Err(error)) => return broken(&error),
                Some(Ok(Message::Text(text))) => self.answer(text.as_bytes()).await,
                Some(Ok(Message::Binary(octets))) => self.answer(&octets).await,
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            };
            if let Err(end) = answered {
                return end;
            }
            asked = false;
            quiet.as_mut().reset(Instant::now() + idle);
        }
    }

    async fn answer(&mut self, octets: &[u8]) -> Result<(), End> {
        let caller = Caller { edge: &self.edge, sender: self.sender, session: Some(&self.session) };
        let reply = match self.share.hold(octets.len() as u64) {
            Ok(_held) => dispatch(&caller, octets).await,
            Err(too_many) => Some(refusal::<Caller<'_>>(too_many.into())),
        };
        let Some(reply) = reply.map(|reply| reply.to_string()) else { return Ok(()) };
        match self.share.hold(reply.len() as u64) {
            Ok(_held) => self.send(Message::text(reply)).await,
            Err(too_many) => self.send(Message::text(refusal::<Caller<'_>>(too_many.into()).to_string())).await,
        }
    }

    /// Who takes nothing for as long as a request may last is gone.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.edge.config.request_timeout, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

/// What was read is no WebSocket message, or is none that is taken.
fn broken(error: &axum::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        Some(Error::Capacity(cause)) => End::Closed(close_code::SIZE, cause.to_string().into()),
        Some(Error::Utf8(_)) => End::Closed(close_code::INVALID, "a text is no UTF-8".into()),
        Some(Error::Protocol(cause)) => End::Closed(close_code::PROTOCOL, cause.to_string().into()),
        _ => End::Gone,
    }
}
