//! A registry inside a program, with one of its services registered: `cargo run --example embed`
//!
//! It keeps nothing on disk and takes free ports; `portolan::config::Config` has all that the file has.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use portolan::client::Client;
use portolan::config::Config;
use portolan::server::Server;
use portolan::{api, dns, http, mdns, store};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let any_port = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let server = Server::bind(&Config {
        store: store::Config { url: "memory:".to_owned() },
        dns: dns::Config { listen: any_port.clone(), ..dns::Config::default() },
        http: http::Config { listen: any_port, ..http::Config::default() },
        mdns: mdns::Config { ingest: false, ..mdns::Config::default() },
        ..Config::default()
    })?;
    let (http, dns) = (server.http_addresses()[0], server.dns_addresses()[0]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));

    let registration = Client::new(&format!("http://{http}"))?.register(api::Registration::new("hello", 8080)).await?;
    let stopped = registration.until_signal();
    println!("dig @{} -p {} SRV _hello._tcp.registry.local", dns.ip(), dns.port());
    // … until the program has done its work; here it waits for ctrl-c:
    stopped.await?;

    stop.cancel();
    running.await??;
    println!("stopped");
    Ok(())
}
