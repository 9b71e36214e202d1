//! Methods over a WebSocket.
//!
//! Messages are answered one after the other, in their order: a client that sends faster than it is answered waits
//! in its own socket, and none can make the registry keep more than one message for it. Calls that wait for something
//! to happen are answered beside the others, when it has.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::SinkExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::api::{Kind, Problem};
use crate::http::Edge;
use crate::http::handover::Handover;
use crate::http::octets::{Held, Share};

use super::message::{Document, Methods, Said, refusal, reply};

/// Octets of a message, at most, where `http.body_limit` is not smaller: it counts only when it is whole.
const MESSAGE_MAX: usize = 256 << 10;
/// Octets that are read at once. The library's own choice of 128 KiB is kept by every connection, also an idle one.
const READ_BUFFER: usize = 4096;
/// Renewals of what a session owns within its lease: two may be late.
const RENEWALS: u32 = 3;
/// Calls of one socket that wait, at most: as many as it may have watches.
const WAITING_MAX: usize = 32;
/// How long a client has to close its end, too.
const LINGER: Duration = Duration::from_secs(1);
/// Octets of the reason in a close frame, at most (RFC 6455 §5.5.1).
const REASON_MAX: usize = 123;

/// Methods that have something to do, or to say, also while nobody calls. Clones are of the same line.
pub(in crate::http) trait Line: Methods + Clone + Send + 'static {
    /// Whether the client has shown a token that is one no more.
    fn is_over(&self) -> bool;

    /// Several times within a lease.
    fn renew(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Waits for messages of its own. May be dropped while it waits, and loses none.
    fn news(&self) -> impl Future<Output = Vec<String>> + Send {
        std::future::pending()
    }

    /// The client has gone.
    fn end(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Goes on as a WebSocket with the methods that `line` makes.
pub(in crate::http) fn open<L: Line>(
    edge: Arc<Edge>,
    handover: &Handover,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    line: L,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("this path is for WebSockets (RFC 6455): {}", rejection.body_text());
        Problem::new(Kind::MalformedRequest, detail)
    })?;
    let limit = edge.config.body_limit.min(MESSAGE_MAX);
    let upgrade = upgrade.read_buffer_size(READ_BUFFER).max_message_size(limit).max_frame_size(limit);
    let (share, go_on) = (handover.share().clone(), handover.begin());
    Ok(upgrade.on_upgrade(async move |socket| {
        let mut renewing = interval((edge.terms.leases.default / RENEWALS).max(Duration::from_millis(1)));
        renewing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        go_on.with(Link { socket, edge, share, line, renewing, waiting: JoinSet::new() }.run());
    }))
}

/// A WebSocket at work.
struct Link<L> {
    socket: WebSocket,
    edge: Arc<Edge>,
    /// What messages and replies count against.
    share: Share,
    line: L,
    renewing: Interval,
    /// Calls that wait, and answers of such that have not been sent.
    waiting: JoinSet<Written>,
}

/// What is said to a document, in words.
struct Written {
    texts: Vec<String>,
    _held: Option<Held>,
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

impl<L: Line> Link<L> {
    async fn run(mut self) {
        let end = self.serve().await;
        let farewell = match &end {
            End::Gone => None,
            End::Closed(code, reason) => Some((*code, reason.as_ref())),
            End::Stop => Some((close_code::AWAY, "the registry is shutting down")),
        };
        self.waiting.abort_all();
        if let Some((code, reason)) = farewell {
            let reason = reason[..reason.floor_char_boundary(REASON_MAX)].into();
            // Who does not take it is gone.
            let _ = self.send([Message::Close(Some(CloseFrame { code, reason }))]).await;
        }
        if !matches!(end, End::Stop) {
            Box::pin(self.line.end()).await;
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
        let mut quiet = pin!(sleep(idle));
        let mut asked = false;
        loop {
            let message = tokio::select! {
                message = self.socket.recv() => message,
                () = edge.stop.cancelled() => return End::Stop,
                _ = self.renewing.tick() => {
                    if self.line.is_over() {
                        return unknown();
                    }
                    Box::pin(self.line.renew()).await;
                    continue;
                }
                Some(Ok(written)) = self.waiting.join_next() => match self.say(written).await {
                    Ok(()) => continue,
                    Err(end) => return end,
                },
                news = self.line.news() => match self.send(news.into_iter().map(Message::text)).await {
                    Ok(()) => continue,
                    Err(end) => return end,
                },
                () = quiet.as_mut() => {
                    if asked {
                        let idle = humantime::format_duration(2 * idle);
                        return End::Closed(close_code::POLICY, format!("nothing was heard for {idle}").into());
                    }
                    asked = true;
                    quiet.as_mut().reset(Instant::now() + idle);
                    match self.send([Message::Ping(Bytes::new())]).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    }
                }
            };
            let answered = match message {
                None | Some(Ok(Message::Close(_))) => return End::Gone,
                Some(Err(error)) => return broken(&error),
                // Elsewhere, so that a line on which nothing is said has no room for it.
                Some(Ok(Message::Text(text))) => Box::pin(self.answer(text.as_bytes())).await,
                Some(Ok(Message::Binary(octets))) => Box::pin(self.answer(&octets)).await,
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
        if self.line.is_over() {
            return Err(unknown());
        }
        let said = match self.share.hold(octets.len() as u64) {
            Err(too_many) => refused::<L>(too_many.into()),
            Ok(held) => match Document::read::<L>(octets) {
                Err(reply) => Said { reply: Some(reply), then: Vec::new() },
                Ok(document) if document.waits::<L>() && self.waiting.len() >= WAITING_MAX => {
                    document.refuse::<L>(busy())
                }
                Ok(document) if document.waits::<L>() => {
                    let (line, share) = (self.line.clone(), self.share.clone());
                    self.waiting.spawn(async move {
                        let said = document.answer(&line).await;
                        drop(held);
                        Written::of::<L>(said, &share)
                    });
                    return Ok(());
                }
                Ok(document) => {
                    let mut answering = pin!(document.answer(&self.line));
                    loop {
                        tokio::select! {
                            said = answering.as_mut() => break said,
                            // A batch may take longer than a lease.
                            _ = self.renewing.tick() => self.line.renew().await,
                        }
                    }
                }
            },
        };
        let written = Written::of::<L>(said, &self.share);
        self.say(written).await
    }

    async fn say(&mut self, written: Written) -> Result<(), End> {
        let Written { texts, _held } = written;
        self.send(texts.into_iter().map(Message::text)).await
    }

    /// Who takes nothing for as long as a request may last is gone.
    async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let socket = &mut self.socket;
        let sending = async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        match timeout(self.edge.config.request_timeout, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

impl Written {
    fn of<L: Line>(said: Said, share: &Share) -> Self {
        let texts: Vec<_> = said.reply.iter().chain(&said.then).map(ToString::to_string).collect();
        match share.hold(texts.iter().map(String::len).sum::<usize>() as u64) {
            Ok(held) => Self { texts, _held: held },
            Err(too_many) => {
                // Of a batch nobody knows what was meant.
                let id = said.reply.and_then(|mut reply| Some(reply.get_mut("id")?.take()));
                let refusal = reply::<L>(id.unwrap_or_default(), Err(too_many.into()));
                Self { texts: vec![refusal.to_string()], _held: None }
            }
        }
    }
}

fn refused<L: Line>(problem: Problem) -> Said {
    Said { reply: Some(refusal::<L>(problem)), then: Vec::new() }
}

/// Not to read on instead would hold up what does not wait.
fn busy() -> Problem {
    let detail = format!("{WAITING_MAX} calls of this connection wait already, which is the limit; open another");
    Problem::new(Kind::Busy, detail)
}

fn unknown() -> End {
    End::Closed(close_code::POLICY, "the token is known no more".into())
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
