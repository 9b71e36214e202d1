//! Announces a service and keeps it announced until ctrl-c or SIGTERM:
//! `cargo run --example register -- http://localhost:8420`
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use portolan::api;
use portolan::client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:8420".to_owned());
    let service = api::Registration {
        instance: Some("my example".to_owned()),
        path: Some("/hello".to_owned()),
        ..api::Registration::new("hello", 8080)
    };

    let registration = Client::new(&url)?.register(service).await?;
    let stopped = registration.until_signal();
    println!("my example is a hello service now: dig SRV _hello._tcp.registry.local");

    stopped.await?;
    println!("and now it is none");
    Ok(())
}
