//! A server of HTTP that says what it is told to say, and takes note of what it is asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Runs until it is dropped; then its port refuses connections.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    manner: Arc<Manner>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Manner {
    /// `503 Service Unavailable`, and further lines of a head.
    says: Mutex<String>,
    /// How long it thinks.
    takes: Mutex<Duration>,
    /// First lines of requests.
    asked: Mutex<Vec<String>>,
    now: AtomicUsize,
    most: AtomicUsize,
    is_over: AtomicBool,
}

impl Backend {
    /// On a free port of every address of this machine.
    pub fn start(says: &str) -> Self {
        Self::on(0, says)
    }

    /// On this port.
    pub fn on(port: u16, says: &str) -> Self {
        let listening = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("the port is free");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listening.local_addr().unwrap().port()));
        let manner = Arc::new(Manner::default());
        let serving = Arc::clone(&manner);
        let accepting = thread::spawn(move || {
            for stream in listening.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.answer(&stream));
            }
        });
        let backend = Self { address, manner, accepting: Some(accepting) };
        backend.say(says);
        backend
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on.
    pub fn say(&self, says: &str) {
        says.clone_into(&mut self.manner.says.lock().unwrap());
    }

    /// How long each answer takes, from now on.
    pub fn take(&self, time: Duration) {
        *self.manner.takes.lock().unwrap() = time;
    }

    /// First lines of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.manner.asked.lock().unwrap().clone()
    }

    /// Connections at once, at most, so far.
    pub fn most(&self) -> usize {
        self.manner.most.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.manner.is_over.store(true, Ordering::SeqCst);
        // Wakes it, so that it sees that it is over and lets go of the port.
        drop(TcpStream::connect(self.address));
        self.accepting.take().unwrap().join().unwrap();
    }
}

impl Manner {
    fn answer(&self, stream: &TcpStream) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        while let Some(Ok(line)) =
            (&mut reader).lines().next().filter(|line| !matches!(line, Ok(end) if end.is_empty()))
        {
            head.push(line);
        }
        let takes = *self.takes.lock().unwrap();
        thread::sleep(takes);
        let says = self.says.lock().unwrap().clone();
        let answer = format!("HTTP/1.1 {says}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        self.now.fetch_sub(1, Ordering::SeqCst);
        // Who only connects is gone by now.
        if let Some(first) = head.into_iter().next() {
            self.asked.lock().unwrap().push(first);
            let _ = { stream }.write_all(answer.as_bytes());
            let _ = { stream }.read(&mut [0]);
        }
    }
}
