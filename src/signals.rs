//! Signals, where something must be put away before the process dies by them,
//! or where what was spent must reach the disk first.
//!
//! They are blocked, not caught: a signal that the caller had set to be
//! ignored (`nohup`) stays ignored, and the process still dies by the signal
//! itself, as its parent expects to see.

use std::ffi::OsString;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Does the work, but doesn't wait longer for it than that.
pub fn at_most(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, finished) = channel();
    let started = thread::Builder::new().spawn(move || {
        work();
        let _ = done.send(());
    });
    if started.is_ok() {
        let _ = finished.recv_timeout(limit);
    }
}

fn command(program: &[OsString]) -> Command {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]);
    command
}

#[cfg(unix)]
mod unix {
    use std::env;
    use std::ffi::OsString;
    use std::process::{Command, ExitStatus};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;
    use std::{io, thread};

    use nix::sys::signal::{SigSet, Signal, kill, raise};
    use nix::unistd::Pid;

    /// How long a signal waits for what is to be put away.
    const PUT_AWAY_TIME: Duration = Duration::from_millis(500);

    /// Whether [`BlockedSignals`] keep [`before_death`] waiting as well.
    static ARE_HELD: AtomicBool = AtomicBool::new(false);

    const ENDINGS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

    fn held() -> SigSet {
        let more = [Signal::SIGQUIT, Signal::SIGTSTP];
        ENDINGS.into_iter().chain(more).collect()
    }

    /// Has a write past `ulimit -f` fail instead of killing the process.
    pub fn fail_writes_past_limit() {
        let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    }

    /// The endings that the caller has not set to be ignored.
    fn wanted() -> SigSet {
        let ignored = ignored();
        let is_wanted = |signal: &Signal| !ignored.contains(*signal);
        ENDINGS.into_iter().filter(is_wanted).collect()
    }

    /// The signals that are ignored now. Only Linux reports them.
    fn ignored() -> SigSet {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let mask = mask.unwrap_or(0);
        let is_in_mask = |signal: &Signal| mask & 1 << (*signal as u32 - 1) != 0;
        Signal::iterator().filter(is_in_mask).collect()
    }

    /// Whether the caller ignores SIGPIPE, as systemd does.
    static IGNORES_PIPE: AtomicBool = AtomicBool::new(false);

    /// Runs before Rust's own start, which ignores SIGPIPE always. To look costs
    /// more than to print a token, so only what runs programs does. musl's
    /// arguments are not there yet.
    #[ctor::ctor]
    fn note_ignored_pipe() {
        let mut arguments = env::args_os();
        if arguments.len() == 0 || arguments.any(|word| word == "exec" || word == "sandbox") {
            let is_ignored = ignored().contains(Signal::SIGPIPE);
            IGNORES_PIPE.store(is_ignored, Ordering::Relaxed);
        }
    }

    /// A command for a program that gets the signals that our caller ignores as
    /// they are. Rust resets SIGPIPE in what it starts; a shell can set it to
    /// be ignored again.
    pub fn inheriting(program: &[OsString]) -> Command {
        let mut command = match IGNORES_PIPE.load(Ordering::Relaxed) {
            false => return super::command(program),
            true => Command::new("/bin/sh"),
        };
        command.args(["-c", "trap '' PIPE; exec \"$@\"", "sh"]);
        command.args(program);
        command
    }

    /// Runs `put_away` when a signal is about to end the process. Called
    /// before any other thread is started, so that all of them inherit it.
    pub fn before_death(put_away: fn()) {
        let wanted = wanted();
        if wanted.thread_block().is_err() {
            return;
        }
        thread::spawn(move || {
            loop {
                if let Ok(signal) = wanted.wait() {
                    while are_held() {
                        thread::sleep(Duration::from_millis(5));
                    }
                    // A standard error that nobody reads must not block.
                    super::at_most(PUT_AWAY_TIME, put_away);
                    let _ = raise(signal);
                    delivered(|| ());
                }
            }
        });
    }

    /// Blocks the signals until it is dropped; then they are delivered.
    pub struct BlockedSignals(Option<SigSet>);

    impl BlockedSignals {
        /// Called before any other thread is started: one that doesn't hold
        /// them back would be sent them instead.
        pub fn hold() -> BlockedSignals {
            ARE_HELD.store(true, Ordering::Relaxed);
            let before = SigSet::thread_get_mask().ok();
            let _ = held().thread_block();
            BlockedSignals(before)
        }

        /// Starts a program on whose behalf we exist, and which does not hold
        /// the signals back. Waits for it: it has what is typed at the terminal
        /// already, so that is dropped; the others are passed on.
        pub fn run(mut self, command: &mut Command) -> io::Result<ExitStatus> {
            let mut child = delivered(|| command.spawn())?;
            self.0 = None;
            let pid = Pid::from_raw(child.id().cast_signed());
            thread::spawn(move || {
                loop {
                    match held().wait() {
                        Ok(signal @ (Signal::SIGTERM | Signal::SIGHUP)) => drop(kill(pid, signal)),
                        Ok(Signal::SIGTSTP) => drop(raise(Signal::SIGSTOP)),
                        Ok(_) | Err(_) => {}
                    }
                }
            });
            child.wait()
        }
    }

    impl Drop for BlockedSignals {
        fn drop(&mut self) {
            ARE_HELD.store(false, Ordering::Relaxed);
            if let Some(mask) = &self.0 {
                let _ = mask.thread_set_mask();
            }
        }
    }

    pub fn are_held() -> bool {
        ARE_HELD.load(Ordering::Relaxed)
    }

    /// Lets this thread's reads from a terminal fail in the background, where
    /// the terminal would otherwise stop the whole process.
    pub fn never_stopped_for_reading() {
        let _ = SigSet::from(Signal::SIGTTIN).thread_block();
    }

    /// Drops a SIGXFSZ that was held back: the write that caused it has failed.
    /// Only on Linux is one that is ignored held back as well: elsewhere, the
    /// wait might not end.
    fn drop_file_size_signal() {
        let is_held = SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(Signal::SIGXFSZ));
        // Two of them are one: raising it makes sure that there is one.
        if cfg!(target_os = "linux") && is_held && raise(Signal::SIGXFSZ).is_ok() {
            let _ = SigSet::from(Signal::SIGXFSZ).wait();
        }
    }

    /// Starts a program that must not inherit the blocked signals.
    pub fn delivered<T>(start: impl FnOnce() -> T) -> T {
        let before = SigSet::thread_get_mask();
        drop_file_size_signal();
        let _ = held().thread_unblock();
        let _ = SigSet::from(Signal::SIGXFSZ).thread_unblock();
        let result = start();
        if let Ok(mask) = before {
            let _ = mask.thread_set_mask();
        }
        result
    }
}

#[cfg(unix)]
pub use unix::{
    BlockedSignals, are_held, before_death, delivered, fail_writes_past_limit, inheriting,
    never_stopped_for_reading,
};

#[cfg(not(unix))]
pub fn before_death(_put_away: fn()) {}

#[cfg(not(unix))]
pub fn fail_writes_past_limit() {}

#[cfg(not(unix))]
pub fn inheriting(program: &[OsString]) -> Command {
    command(program)
}

#[cfg(not(unix))]
pub fn are_held() -> bool {
    false
}

#[cfg(not(unix))]
pub fn never_stopped_for_reading() {}

#[cfg(not(unix))]
pub fn delivered<T>(start: impl FnOnce() -> T) -> T {
    start()
}

#[cfg(not(unix))]
pub struct BlockedSignals(());

#[cfg(not(unix))]
impl BlockedSignals {
    pub fn hold() -> BlockedSignals {
        BlockedSignals(())
    }

    pub fn run(self, command: &mut Command) -> std::io::Result<std::process::ExitStatus> {
        command.status()
    }
}
