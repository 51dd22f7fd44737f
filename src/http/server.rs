//! Accepts connections, up to a limit: the oldest that has not sent a whole
//! request gives way to a new one. When `accept` fails, for want of descriptors
//! most likely, the oldest are closed and it is tried again.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::connection::Connection;
use super::{Request, Response};
use crate::platform;

/// How many fewer connections there may be after a failing `accept`, and the
/// fewest that there may.
const SPARE: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A connection's thread needs little; many of them should not show.
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
pub struct Server {
    pub(super) options: Options,
    pub(super) handler: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    slots: Mutex<Slots>,
    changed: Condvar,
    pub(super) host_warning: Once,
    pub(super) tls_warning: Once,
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
    /// A whole request has come, and is not answered yet.
    is_answering: bool,
}

impl Slots {
    /// Ends the reading of the oldest connections that are not being answered.
    /// On Linux a request that has come whole is still read, and answered.
    fn disconnect(&self, most: usize) {
        let idle = self.open.iter().filter(|slot| !slot.is_answering);
        for slot in idle.take(most) {
            let _ = slot.stream.shutdown(Shutdown::Read);
        }
    }
}

impl Server {
    /// Serves on listeners that are bound already.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        listeners: Vec<TcpListener>,
        options: Options,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> io::Result<Arc<Server>> {
        let server = Arc::new(Server {
            options,
            handler: Box::new(handler),
            slots: Mutex::new(Slots {
                open: VecDeque::new(),
                next_id: 0,
                max: platform::MAX_CONNECTIONS,
            }),
            changed: Condvar::new(),
            host_warning: Once::new(),
            tls_warning: Once::new(),
        });
        for listener in listeners {
            platform::lengthen_queue(&listener);
            let server = Arc::clone(&server);
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn(move || server.accept(&listener))?;
        }
        Ok(server)
    }

    /// Waits until every request that was received is answered, or the
    /// deadline.
    pub fn settle(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let is_answering = |slots: &mut Slots| slots.open.iter().any(|slot| slot.is_answering);
        let _ = self
            .changed
            .wait_timeout_while(self.slots(), left, is_answering);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Server>, listener: &TcpListener) {
        loop {
            if let Ok((stream, _)) = listener.accept() {
                self.admit(Arc::new(stream));
                continue;
            }
            let mut slots = self.slots();
            // Leaves some descriptors for the exchange of the code.
            let fewer = slots.open.len().saturating_sub(SPARE);
            slots.max = fewer.clamp(SPARE, slots.max);
            slots.disconnect(slots.open.len().saturating_sub(slots.max));
            drop(slots);
            thread::sleep(ACCEPT_PAUSE);
        }
    }

    fn admit(self: &Arc<Server>, stream: Arc<TcpStream>) {
        let mut slots = self.slots();
        while slots.open.len() >= slots.max {
            slots.disconnect(1);
            let woken = self.changed.wait_timeout(slots, ACCEPT_PAUSE);
            slots = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let id = slots.next_id;
        slots.next_id += 1;
        slots.open.push_back(Slot {
            id,
            stream: Arc::clone(&stream),
            is_answering: false,
        });
        drop(slots);
        let connection = Connection::new(Arc::clone(self), id, stream);
        // Where no thread can be had, the connection is dropped.
        let thread = thread::Builder::new().stack_size(STACK);
        let _ = thread.spawn(move || connection.serve());
    }

    pub(super) fn set_answering(&self, id: u64, is_answering: bool) {
        let mut slots = self.slots();
        if let Some(slot) = slots.open.iter_mut().find(|slot| slot.id == id) {
            slot.is_answering = is_answering;
        }
        self.changed.notify_all();
    }

    pub(super) fn close(&self, id: u64) {
        self.slots().open.retain(|slot| slot.id != id);
        self.changed.notify_all();
    }
}
