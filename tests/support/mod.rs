//! What the stories share: the program under test, HTTP without a client library, and tools from the system.

pub mod dig;
mod http;
pub mod netns;
mod portolan;
mod tools;

pub use http::{Response, request};
pub use portolan::{Launch, Portolan, cli};
pub use tools::{python, run, tool, wait_until};
