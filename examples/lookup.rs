//! Finds the instances of a service, or of every service that a glob matches:
//! `cargo run --example lookup -- 'he*' http://localhost:8420`
//!
//! A program that knows the service's name needs no more than a resolver for this.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use portolan::client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let service = arguments.next().unwrap_or_else(|| "*".to_owned());
    let url = arguments.next().unwrap_or_else(|| "http://localhost:8420".to_owned());

    for found in Client::new(&url)?.lookup(&service).await? {
        println!("{}: {}:{}", found.name, found.host, found.port);
    }
    Ok(())
}
