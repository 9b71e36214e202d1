//! `registry.watch`: changes as notifications to the WebSocket that asked for them, each watch with a number.
//!
//! A watch is a task that reads on in the registry's changes when its socket has taken what it said before. So none has
//! more than a few notifications in hand, and where a socket is so slow that changes are no longer kept, its client is
//! told to list again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::{Kind, Problem};
use crate::http::Edge;
use crate::http::principal::Principal;
use crate::http::request::Pairs;
use crate::http::watch::{self, Following};

use super::claims::lock;

/// The method of the notifications, too.
pub(super) const METHOD: &str = "registry.watch";
/// Watches of one session, at most: as many as a connection of HTTP/2 has.
const WATCHES_MAX: usize = 32;
/// Notifications of all watches of a session that wait for their socket, at most.
const WAITING: usize = 16;

/// The watches of a session.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// From the first watch on: most sessions have none.
    queue: OnceLock<Queue>,
    /// By number; a watch ends when this is dropped.
    begun: Mutex<HashMap<u64, DropGuard>>,
    last: AtomicU64,
}

#[derive(Debug)]
struct Queue {
    outbox: mpsc::Sender<Notification>,
    /// Read by the session alone.
    inbox: tokio::sync::Mutex<mpsc::Receiver<Notification>>,
}

#[derive(Debug)]
struct Notification {
    text: String,
    /// Whether its watch has ended since.
    over: CancellationToken,
}

impl Watches {
    /// The number of a new watch of what `query` asks for, as `GET /v1/watch` takes it.
    pub(super) fn begin(&self, edge: &Arc<Edge>, principal: &Principal, query: Pairs) -> Result<u64, Problem> {
        let (since, filter) = watch::read(None, query)?;
        let mut begun = lock(&self.begun);
        if begun.len() >= WATCHES_MAX {
            let detail = format!("the session has {WATCHES_MAX} watches, which is the limit; end one, or open another");
            return Err(Problem::new(Kind::TooMany, detail));
        }
        let following = Following::begin(edge, principal, &filter, since)?;
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let over = CancellationToken::new();
        let queue = self.queue.get_or_init(Queue::new);
        let telling = tell(following, number, queue.outbox.clone(), over.clone());
        // Its parent is the session, whose end is its own.
        tokio::spawn(over.clone().run_until_cancelled_owned(telling));
        begun.insert(number, over.drop_guard());
        Ok(number)
    }

    /// Whether there was such a watch. No notification of it follows.
    pub(super) fn end(&self, number: u64) -> bool {
        lock(&self.begun).remove(&number).is_some()
    }

    /// Waits for notifications of the watches that have begun. May be dropped while it waits, and loses none.
    pub(super) async fn news(&self) -> Vec<String> {
        let Some(queue) = self.queue.get() else { return std::future::pending().await };
        let mut news = Vec::new();
        queue.inbox.lock().await.recv_many(&mut news, WAITING).await;
        news.into_iter().filter(|notification| !notification.over.is_cancelled()).map(|n| n.text).collect()
    }
}

impl Queue {
    fn new() -> Self {
        let (outbox, inbox) = mpsc::channel(WAITING);
        Self { outbox, inbox: tokio::sync::Mutex::new(inbox) }
    }
}

async fn tell(mut following: Following, number: u64, outbox: mpsc::Sender<Notification>, over: CancellationToken) {
    while let Some(told) = following.next().await {
        for event in told {
            let text = notification(&Value::from(number), event.json());
            if outbox.send(Notification { text, over: over.clone() }).await.is_err() {
                return;
            }
        }
        // Of a hundred thousand changes there may be none to tell of.
        tokio::task::consume_budget().await;
    }
}

/// What was written once for all is not written again.
fn notification(subscription: &Value, event: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{METHOD}","params":{{"subscription":{subscription},"result":{event}}}}}"#)
}
