//! Changes as they happen.

use std::time::Duration;

use reqwest::Response;
use tokio::time::Instant;

use crate::api::{Event, Filter, Position};

use super::registration::{BACK_OFF_LONGEST, back_off};
use super::{Client, Error, connections};

/// A registry that says nothing for so long has gone without a word: it sends a comment every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// Octets of one event, at most; those of a registry have some thousand.
const EVENT_MAX: usize = 1 << 20;

/// The changes of what a filter matches, one after the other and without a gap, over failures and restarts of the
/// registry. Where that cannot be, [`Event::ListAgain`] says so.
///
/// ```no_run
/// use portolan::api::{Event, Filter};
/// # use portolan::client::{Client, Error};
/// # async fn follow(client: Client) -> Result<(), Error> {
/// let filter = Filter { service: Some("auth".into()), ..Filter::default() };
/// let mut watch = client.watch(&filter, None).await?;
/// // What changes from here on is told below, also if the list has it already.
/// let mut known = client.list(filter.clone()).await?;
/// loop {
///     match watch.next().await? {
///         Event::Added(news) | Event::Changed(news) => {
///             known.retain(|instance| instance.name != news.instance.name);
///             known.push(news.instance);
///         }
///         Event::Removed(news) => known.retain(|instance| instance.name != news.instance.name),
///         Event::ListAgain { .. } => known = client.list(filter.clone()).await?,
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    client: Client,
    query: Vec<(String, String)>,
    position: Position,
    /// None while there is no connection.
    events: Option<Events>,
    failures: u32,
    /// When to connect again.
    retry: Instant,
}

impl Watch {
    pub(super) async fn start(client: Client, filter: &Filter, since: Option<Position>) -> Result<Self, Error> {
        // A connection of its own, on which silence is a failure and an answer that never ends is none.
        let http = connections().read_timeout(SILENCE).build().map_err(|source| client.unreachable(source))?;
        let client = Client { http, ..client };
        let query = filter.to_query();
        let mut events = Events::open(&client, &query, since).await?;
        let position = match since {
            Some(since) => since,
            // The first that is said is where it begins.
            None => match events.next(&client).await? {
                Some(Said { id: Some(id), event: None }) => id,
                _ => return Err(client.foreign("its events begin without a position".into())),
            },
        };
        Ok(Self { client, query, position, events: Some(events), failures: 0, retry: Instant::now() })
    }

    /// Waits for the next event. After an error the next call tries again, a while later where that is reasonable, and
    /// goes on without a gap. May be dropped while it waits, and loses none.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            match self.hear().await {
                Ok(Some(Said { id, event })) => {
                    self.failures = 0;
                    self.position = id.unwrap_or(self.position);
                    if let Some(event) = event {
                        return Ok(event);
                    }
                }
                // It is being restarted: whoever asks will be told.
                Ok(None) => self.give_up(),
                Err(error) => {
                    self.give_up();
                    return Err(error);
                }
            }
        }
    }

    /// Every event up to here was given: a later watch may begin with it.
    pub fn position(&self) -> Position {
        self.position
    }

    async fn hear(&mut self) -> Result<Option<Said>, Error> {
        if self.events.is_none() {
            tokio::time::sleep_until(self.retry).await;
            self.events = Some(Events::open(&self.client, &self.query, Some(self.position)).await?);
        }
        let events = self.events.as_mut().expect("it was opened");
        events.next(&self.client).await
    }

    fn give_up(&mut self) {
        self.events = None;
        self.failures += 1;
        self.retry = Instant::now() + back_off(self.failures, BACK_OFF_LONGEST);
    }
}

/// One answer, as it comes.
#[derive(Debug)]
struct Events {
    response: Response,
    /// Come and not yet read.
    octets: Vec<u8>,
}

/// What stands between two empty lines.
struct Said {
    id: Option<Position>,
    event: Option<Event>,
}

impl Events {
    async fn open(client: &Client, query: &[(String, String)], since: Option<Position>) -> Result<Self, Error> {
        let request = client.authorized(client.http.get(client.url(&["v1", "watch"]))).query(query);
        let request = request.query(&since.map(|since| ("since", since.to_string())).as_slice());
        Ok(Self { response: client.send(request).await?, octets: Vec::new() })
    }

    /// `None` where the registry has said its last.
    async fn next(&mut self, client: &Client) -> Result<Option<Said>, Error> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.octets[looked..].windows(2).position(|pair| pair == b"\n\n") {
                let said: Vec<u8> = self.octets.drain(..looked + end + 2).collect();
                return Said::read(&said).map(Some).map_err(|reason| client.foreign(reason));
            }
            if self.octets.len() > EVENT_MAX {
                return Err(client.foreign(format!("it says more than {EVENT_MAX} octets at once")));
            }
            looked = self.octets.len().saturating_sub(1);
            match self.response.chunk().await.map_err(|source| client.unreachable(source))? {
                Some(more) => self.octets.extend_from_slice(&more),
                None => return Ok(None),
            }
        }
    }
}

impl Said {
    /// As far as a registry uses it (HTML Living Standard §9.2.5): the data of an event is one line.
    fn read(octets: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(octets).map_err(|error| error.to_string())?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let id = field("id").map(str::parse).transpose().map_err(|error| format!("its position {error}"))?;
        let event = field("data").map(serde_json::from_str).transpose().map_err(|error| error.to_string())?;
        Ok(Self { id, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_passed_over_and_positions_kept() {
        let said = Said::read(b":\nid: 7-0000000000000001\n\n").unwrap();
        assert_eq!((said.id, said.event), (Some(Position { revision: 7, history: Some(1) }), None));
        let said = Said::read(
            b"event: list-again\nid: 7\ndata: {\"event\":\"list-again\",\"position\":\"7\",\"reason\":\"r\"}\n\n",
        );
        let position = Position { revision: 7, history: None };
        assert_eq!(said.unwrap().event, Some(Event::ListAgain { position, reason: "r".into() }));
        assert!(Said::read(b"data: {}\n\n").is_err());
        assert!(Said::read(b"id: x\n\n").is_err());
    }
}
