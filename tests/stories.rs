//! What users do with portolan, a file per story: the real program, real sockets, real peers.
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no public face")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on says so by failing")]

#[allow(dead_code, unused_imports, reason = "what one story does not need the next one does")]
mod support;

mod stories {
    mod access_log;
    mod audit;
    mod checklist;
    mod checks;
    mod checks_crowd;
    mod checks_sources;
    mod cli;
    mod cli_register;
    mod cli_run;
    mod client;
    mod config;
    mod dns_attack;
    mod dns_cookies;
    mod dns_discovery;
    mod dns_edns;
    mod dns_encrypted;
    mod dns_header;
    mod dns_https;
    mod dns_names;
    mod dns_octets;
    mod dns_peers;
    mod dns_registration;
    mod dns_reverse;
    mod dns_rrl;
    mod dns_srv;
    mod dns_storm;
    mod dns_system_calls;
    mod dns_transport;
    mod dns_transports;
    mod dns_unread;
    mod doors_bad_input;
    mod doors_plexus;
    mod doors_refusals;
    mod doors_registro;
    mod doors_servreg;
    mod doors_somata;
    mod durability;
    mod examples;
    mod explain;
    mod files;
    mod guard;
    mod history;
    mod http_bad_input;
    mod http_connections;
    mod http_list;
    mod http_machines;
    mod http_memory;
    mod http_register;
    mod http_tls;
    mod lease_clock;
    mod mdns;
    mod metrics;
    mod metrics_dns;
    mod names;
    mod openapi;
    mod openrpc;
    mod own;
    mod readme;
    mod rpc;
    mod rpc_session;
    mod rpc_watch;
    mod select;
    mod shutdown;
    mod tokens;
    mod tokens_owner;
    mod tokens_read;
    mod turns;
    mod watch;
    mod watch_crowd;
    mod websocat;
}
