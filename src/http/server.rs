//! Accepts connections, at most [`MAX_CONNECTIONS`]: the oldest that has not
//! sent a whole request gives way to a new one. When `accept` fails, for want
//! of descriptors most likely, the oldest are closed and it is tried again.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::connection::Connection;
use super::{Request, Response};
use crate::platform;

const MAX_CONNECTIONS: usize = 64;
/// How many fewer connections there may be after a failing `accept`, and the
/// fewest that there may.
const SPARE: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A connection's thread needs little; sixty-four of them should not show.
const STACK: usize = 256 << 10;

#[derive(Default)]
pub struct Options {
    /// Names, in lower case and without a port, that `Host` may carry beside
    /// the loopback ones.
    pub hosts: Vec<String>,
    /// Bytes of a request's body; with 0 a body is never read.
    pub max_body: usize,
    /// Where the server speaks HTTPS itself.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A running server. It serves until the process ends.
pub struct Server(Arc<Shared>);

impl Server {
    /// Serves on listeners that are bound already.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        listeners: Vec<TcpListener>,
        options: Options,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> io::Result<Server> {
        let shared = Arc::new(Shared {
            options,
            handler: Box::new(handler),
            slots: Mutex::new(Slots {
                open: VecDeque::new(),
                next_id: 0,
                max: MAX_CONNECTIONS,
            }),
            changed: Condvar::new(),
            has_warned_of_host: AtomicBool::new(false),
            has_warned_of_tls: AtomicBool::new(false),
        });
        for listener in listeners {
            platform::lengthen_queue(&listener);
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn(move || shared.accept(&listener))?;
        }
        Ok(Server(shared))
    }

    /// Waits until every request that was received is answered, or the
    /// deadline.
    pub fn settle(&self, deadline: Instant) {
        let mut slots = self.0.slots();
        while slots.open.iter().any(|slot| slot.phase == Phase::Serving) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            slots = self.0.wait(slots, left);
        }
    }
}

pub struct Shared {
    pub options: Options,
    pub handler: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    slots: Mutex<Slots>,
    changed: Condvar,
    pub has_warned_of_host: AtomicBool,
    pub has_warned_of_tls: AtomicBool,
}

/// The open connections, oldest first.
struct Slots {
    open: VecDeque<Slot>,
    next_id: u64,
    max: usize,
}

struct Slot {
    id: u64,
    stream: Arc<TcpStream>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The client is waited for: it may be disconnected.
    Waiting,
    /// What has come is being read or answered.
    Serving,
}

impl Slots {
    /// Closes the oldest connection that has not sent a whole request.
    fn evict(&mut self) -> bool {
        let is_waiting =
            |slot: &Slot| slot.phase == Phase::Waiting && !platform::has_unread(&slot.stream);
        let oldest = self.open.iter().position(is_waiting);
        let Some(slot) = oldest.and_then(|at| self.open.remove(at)) else {
            return false;
        };
        let _ = slot.stream.shutdown(Shutdown::Both);
        true
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, slots: MutexGuard<'a, Slots>, time: Duration) -> MutexGuard<'a, Slots> {
        let woken = self.changed.wait_timeout(slots, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    fn accept(self: &Arc<Shared>, listener: &TcpListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.admit(Arc::new(stream)),
                Err(_) => {
                    let mut slots = self.slots();
                    // Leaves some descriptors for the exchange of the code.
                    slots.max = slots
                        .open
                        .len()
                        .saturating_sub(SPARE)
                        .clamp(SPARE, slots.max);
                    while slots.open.len() > slots.max && slots.evict() {}
                    drop(slots);
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    fn admit(self: &Arc<Shared>, stream: Arc<TcpStream>) {
        let mut slots = self.slots();
        while slots.open.len() >= slots.max && !slots.evict() {
            slots = self.wait(slots, ACCEPT_PAUSE);
        }
        let id = slots.next_id;
        slots.next_id += 1;
        slots.open.push_back(Slot {
            id,
            stream: Arc::clone(&stream),
            phase: Phase::Waiting,
        });
        drop(slots);
        let connection = Connection::new(Arc::clone(self), id, stream);
        // Where no thread can be had, the connection is dropped.
        let thread = thread::Builder::new().stack_size(STACK);
        let _ = thread.spawn(move || connection.serve());
    }

    pub fn set_phase(&self, id: u64, phase: Phase) {
        let mut slots = self.slots();
        if let Some(slot) = slots.open.iter_mut().find(|slot| slot.id == id) {
            slot.phase = phase;
        }
        drop(slots);
        self.changed.notify_all();
    }

    pub fn close(&self, id: u64) {
        self.slots().open.retain(|slot| slot.id != id);
        self.changed.notify_all();
    }
}
