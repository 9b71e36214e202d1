//! What the stories share: the program under test, HTTP without a client library, DNS without one, and tools and
//! servers from the system.

pub mod authority;
pub mod backend;
pub mod dig;
pub mod events;
pub mod harbour;
mod http;
pub mod http2;
pub mod https;
pub mod netns;
pub mod page;
mod portolan;
mod process;
pub mod questions;
mod random;
mod replace;
pub mod tls;
pub mod tokens;
mod tools;
mod websocket;
pub mod websocket_by_hand;
pub mod wire;
pub mod zone_file;

pub use http::{Response, from_elsewhere, request, request_over};
pub use portolan::{Launch, Portolan, cli};
pub use random::Random;
pub use replace::replace;
pub use tools::{node, python, run, tool, wait_until, websocat};
pub use websocket::WebSocket;
