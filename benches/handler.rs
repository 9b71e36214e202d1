//! The peer of `benches/run http`: a handler of axum, served by axum, that reads the body of a heartbeat into the same
//! type as portolan does, and answers 200. It neither checks nor keeps what it has read, and says nothing of it.
//!
//! `handler ADDRESS` binds, prints where it listens, and answers until it is killed.

use std::env;
use std::error::Error;
use std::hint::black_box;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use portolan::api::Registration;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` runs every bench, with an option of its own.
    let Some(address) = env::args().nth(1).filter(|address| !address.starts_with('-')) else { return Ok(()) };
    let listener = TcpListener::bind(address).await?;
    #[expect(clippy::print_stdout, reason = "the one line that says where it listens")]
    {
        println!("{}", listener.local_addr()?);
    }
    Ok(axum::serve(listener, Router::new().route("/v1/heartbeat", post(heartbeat))).await?)
}

async fn heartbeat(Json(registration): Json<Registration>) -> StatusCode {
    black_box(registration);
    StatusCode::OK
}
