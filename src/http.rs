//! The bounded front door of both servers: the login's listener and the
//! sandbox.
//!
//! tiny_http parses requests and writes answers well, but it has no timeouts
//! and no limits: a browser's spare connections can starve the one that
//! carries the code, an endless header fills the memory, and one failing
//! `accept` leaves it deaf. So it never meets a client. This gate does:
//!
//! * at most [`MAX_CONNECTIONS`]; the oldest that keeps us waiting gives way to
//!   a new one;
//! * a whole request within [`REQUEST_TIME`], its head within
//!   [`request::MAX_HEAD`], one request per connection;
//! * `Host` names us, or the request is refused (DNS rebinding);
//! * descriptors are left to the rest of the program, and a failing `accept`
//!   frees a connection and is tried again.
//!
//! What passes is written out anew and handed to tiny_http over connections
//! that were made at the start (`backend`), so no shortage that a client can
//! cause reaches it. Every answer goes out with the headers of [`ALWAYS`].

mod backend;
pub mod page;
pub mod request;
pub mod tls;
mod wire;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::output;
use crate::platform;
use backend::Backend;
pub use backend::{DELAY, Tear};
use request::{Incoming, Rejection, Request};
use wire::{Wire, drain};

const MAX_CONNECTIONS: usize = 64;
/// Descriptors that are left to the rest of the program: the exchange of the
/// code, the file for the token.
const SPARE_DESCRIPTORS: usize = 8;
const MIN_CONNECTIONS: usize = 4;
/// From the first byte that could be sent to the last of head and body.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long a client may take to take its answer, and then to hang up.
const ANSWER_TIME: Duration = Duration::from_secs(5);
const LINGER_TIME: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A connection's thread needs little; sixty-four of them should not show.
const STACK: usize = 256 << 10;

/// On every answer, whoever wrote it.
const ALWAYS: &str = "Connection: close\r\n\
    Cache-Control: no-store\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n";

/// What a server lets through its gate.
pub struct Policy {
    /// Names, in lower case and without a port, that `Host` may carry beside
    /// the loopback ones.
    pub hosts: Vec<String>,
    /// Bytes of a request's body; with 0 a body is never read.
    pub max_body: usize,
    /// Where the gate speaks HTTPS itself.
    pub tls: Option<Arc<ServerConfig>>,
}

/// An open gate. It stays open until the process ends.
pub struct Gate {
    server: Arc<tiny_http::Server>,
    door: Arc<Door>,
}

impl Gate {
    /// Opens the gate on listeners that are bound already.
    ///
    /// # Errors
    /// When the private way to tiny_http or a thread can't be made, or the
    /// descriptors that are left would not be enough for a login.
    pub fn open(listeners: Vec<TcpListener>, policy: Policy) -> io::Result<Gate> {
        if room(&listeners, backend::DESCRIPTORS) < MIN_CONNECTIONS {
            let why = "too few open files are allowed (`ulimit -n`)";
            return Err(io::Error::other(why));
        }
        let (server, backend) = Backend::open()?;
        let door = Arc::new(Door {
            policy,
            backend,
            slots: Mutex::new(Slots {
                open: VecDeque::new(),
                next_id: 0,
                most: room(&listeners, 0).max(MIN_CONNECTIONS),
            }),
            changed: Condvar::new(),
            told_of_host: AtomicBool::new(false),
            told_of_tls: AtomicBool::new(false),
        });
        for listener in listeners {
            platform::lengthen_queue(&listener);
            let door = Arc::clone(&door);
            thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || door.accept(&listener))?;
        }
        Ok(Gate {
            server: Arc::new(server),
            door,
        })
    }

    /// Where the requests that passed are received and answered.
    pub fn server(&self) -> Arc<tiny_http::Server> {
        Arc::clone(&self.server)
    }

    /// Waits until every answer begun is with its client, or the deadline.
    pub fn settle(&self, deadline: Instant) {
        let mut slots = self.door.slots();
        while slots.open.iter().any(|slot| slot.phase == Phase::Serving) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.door.changed.wait_timeout(slots, left);
            slots = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Door {
    policy: Policy,
    backend: Backend,
    slots: Mutex<Slots>,
    changed: Condvar,
    told_of_host: AtomicBool,
    told_of_tls: AtomicBool,
}

/// The open connections, oldest first.
struct Slots {
    open: VecDeque<Slot>,
    next_id: u64,
    /// [`MAX_CONNECTIONS`], or what the system's descriptors are enough for.
    most: usize,
}

struct Slot {
    id: u64,
    stream: Arc<TcpStream>,
    phase: Phase,
}

/// Whose turn it is on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet, or all is over but the hanging up.
    Idle,
    /// Some of the request has come, and the client owes us the rest.
    Sending,
    /// Something that has come is being worked on, up to the answer: not to
    /// be thrown out.
    Serving,
}

impl Slots {
    /// Throws out the oldest connection that keeps us waiting; of two, the one
    /// that has sent nothing. The youngest get a chance to send something.
    fn evict(&mut self) -> bool {
        let old = self.open.len().saturating_sub(self.most / 4);
        let waits = |phase| {
            let mut open = self.open.iter().take(old);
            open.position(|slot| slot.phase == phase && !platform::has_unread(&slot.stream))
        };
        let Some(oldest) = waits(Phase::Idle).or_else(|| waits(Phase::Sending)) else {
            return false;
        };
        if let Some(slot) = self.open.remove(oldest) {
            let _ = slot.stream.shutdown(Shutdown::Both);
        }
        true
    }
}

impl Door {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Door>, listener: &TcpListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.admit(Arc::new(stream)),
                // Out of descriptors, most likely: make do with fewer from now
                // on, so that some are left for the exchange of the code.
                Err(_) => {
                    let mut slots = self.slots();
                    let fewer = slots.open.len().saturating_sub(SPARE_DESCRIPTORS);
                    slots.most = slots.most.min(fewer.max(MIN_CONNECTIONS));
                    while slots.open.len() > slots.most && slots.evict() {}
                    drop(self.changed.wait_timeout(slots, ACCEPT_PAUSE));
                }
            }
        }
    }

    fn admit(self: &Arc<Door>, stream: Arc<TcpStream>) {
        let mut slots = self.slots();
        while slots.open.len() >= slots.most && !slots.evict() {
            // All of them can be served now, so that will not be long.
            let woken = self.changed.wait_timeout(slots, ACCEPT_PAUSE);
            slots = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let id = slots.next_id;
        slots.next_id += 1;
        slots.open.push_back(Slot {
            id,
            stream: Arc::clone(&stream),
            phase: Phase::Idle,
        });
        drop(slots);
        let guard = ConnectionGuard {
            door: Arc::clone(self),
            id,
        };
        // Where no thread can be had, the guard and the stream are dropped.
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || {
            let _ = guard.door.serve(&stream, &guard);
            // Whoever waits for the guard wants the descriptor.
            drop(stream);
            drop(guard);
        });
    }

    fn serve(&self, stream: &TcpStream, guard: &ConnectionGuard) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let begun = Cell::new(false);
        let waiting = |for_bytes: bool| {
            guard.set(match (for_bytes, begun.get()) {
                (true, false) => Phase::Idle,
                (true, true) => Phase::Sending,
                (false, _) => Phase::Serving,
            });
            begun.set(true);
        };
        let tls = self.policy.tls.as_ref();
        let mut wire = Wire::new(stream, tls, REQUEST_TIME, &waiting)?;
        let answer = match self.receive(&mut Incoming::new(&mut wire)) {
            Ok(request) => match self.backend.ask(&request, ALWAYS) {
                Ok(answer) => {
                    if !answer.delay.is_zero() && !idle(stream, guard, answer.delay) {
                        return Ok(());
                    }
                    answer.bytes
                }
                Err(_) => refusal(503),
            },
            Err(Rejection::Status(status)) => refusal(status),
            Err(Rejection::Gone) => return Ok(()),
            Err(Rejection::Tls) => {
                if !self.told_of_tls.swap(true, Ordering::Relaxed) {
                    output::warn(
                        "a client speaks HTTPS to the listener, which speaks plain HTTP: \
                         use http:// here, or HTTPS at a reverse proxy in front",
                    );
                }
                return Ok(());
            }
        };
        wire.finish(&answer, ANSWER_TIME)?;
        stream.shutdown(Shutdown::Write)?;
        // Whatever is still unread when the socket closes would make the
        // kernel reset the connection, and the answer could be lost with it.
        stream.set_nonblocking(true)?;
        let read = drain(stream, Instant::now());
        guard.set(Phase::Idle);
        if read {
            stream.set_nonblocking(false)?;
            drain(stream, Instant::now() + LINGER_TIME);
        }
        Ok(())
    }

    fn receive(&self, incoming: &mut Incoming) -> Result<Request, Rejection> {
        let request = incoming.head()?;
        match request.host() {
            Some(host) if is_loopback_name(&host) || self.policy.hosts.contains(&host) => {}
            _ => {
                if !self.told_of_host.swap(true, Ordering::Relaxed) {
                    let named: String = request.authority().chars().take(100).collect();
                    output::warn(&format!(
                        "a request for another host was refused (Host: {named}): \
                         a web page may be trying to reach this port by DNS rebinding"
                    ));
                }
                return Err(Rejection::Status(421));
            }
        }
        incoming.body(request, self.policy.max_body)
    }
}

/// How many connections there are descriptors for, when as many as this are
/// taken for something else.
fn room(listeners: &[TcpListener], taken: usize) -> usize {
    let besides = taken + SPARE_DESCRIPTORS;
    let copies = listeners
        .iter()
        .cycle()
        .map_while(|one| one.try_clone().ok());
    let free: Vec<_> = copies.take(besides + MAX_CONNECTIONS).collect();
    free.len().saturating_sub(besides)
}

/// Frees its slot when the connection's thread ends, however it ends.
struct ConnectionGuard {
    door: Arc<Door>,
    id: u64,
}

impl ConnectionGuard {
    fn set(&self, phase: Phase) {
        let mut slots = self.door.slots();
        if let Some(slot) = slots.open.iter_mut().find(|slot| slot.id == self.id) {
            slot.phase = phase;
        }
        self.door.changed.notify_all();
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.door.slots().open.retain(|slot| slot.id != self.id);
        self.door.changed.notify_all();
    }
}

/// Lets time go by before a late answer. Meanwhile the connection may be thrown
/// out as any idle one; false where it was, or where the client has left.
fn idle(stream: &TcpStream, guard: &ConnectionGuard, time: Duration) -> bool {
    guard.set(Phase::Idle);
    let stayed = drain(stream, Instant::now() + time);
    guard.set(Phase::Serving);
    stayed
}

/// The gate's own answer to what it does not let through.
fn refusal(status: u16) -> Vec<u8> {
    let text = match status {
        400 => "Bad Request",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    format!(
        "HTTP/1.1 {status} {text}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nContent-Security-Policy: default-src 'none'\r\n{ALWAYS}\r\n{text}\n",
        text.len() + 1
    )
    .into_bytes()
}

/// A host that only this machine answers to.
pub fn is_loopback_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}
