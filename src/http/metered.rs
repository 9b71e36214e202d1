//! Bodies whose octets are noted as they pass.
//!
//! Road not taken: `map_frame` of http-body-util, which no longer knows how long a body is: every answer would go out in
//! chunks.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// The same body. `meter` is told of each frame how many octets it has, and has it fail with what it says; it is dropped
/// with the body.
pub(super) fn metered(body: Body, meter: impl FnMut(usize) -> Result<(), Error> + Send + Unpin + 'static) -> Body {
    Body::new(Metered { body, meter })
}

struct Metered<M> {
    body: Body,
    meter: M,
}

impl<M: FnMut(usize) -> Result<(), Error> + Unpin> HttpBody for Metered<M> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            (self.meter)(frame.data_ref().map_or(0, Bytes::len)).map(|()| frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
