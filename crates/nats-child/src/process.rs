//! One child process: its signals and its end. It does not outlive this value.

use std::{
    io,
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::ControlError;

#[cfg(test)]
mod tests;

/// How often a condition is looked at while waiting for it: soon enough to add nothing that
/// matters to a start of some 10 ms, seldom enough to cost nothing.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, if it has.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends the process at once (SIGKILL) and reaps it.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Asks the process to end (SIGTERM), and kills it if it still runs after `grace`.
    pub(crate) fn stop(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        self.send(Signal::TERM)?;
        // A paused process would not see the other signal.
        self.send(Signal::CONT)?;
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.kill()
    }

    /// Suspends the process (SIGSTOP); it has stopped when this returns.
    pub(crate) fn pause(&mut self) -> Result<(), ControlError> {
        self.send_if_running(Signal::STOP)?;
        // The signal alone returns before every thread of the process stands still. Should the
        // process end instead, NOWAIT leaves its status for `Child` to collect.
        let change = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let pid = Pid::from_child(&self.child);
        rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), change)).map_err(io::Error::from)?;
        match self.exited()? {
            Some(_) => Err(ControlError::NotRunning),
            None => Ok(()),
        }
    }

    /// Lets a suspended process go on (SIGCONT).
    pub(crate) fn resume(&mut self) -> Result<(), ControlError> {
        self.send_if_running(Signal::CONT)
    }

    /// Asks a nats-server to leave its clients to others, then to end (SIGUSR2).
    pub(crate) fn lame_duck(&mut self) -> Result<(), ControlError> {
        self.send_if_running(Signal::USR2)
    }

    fn send_if_running(&mut self, signal: Signal) -> Result<(), ControlError> {
        match self.exited()? {
            Some(_) => Err(ControlError::NotRunning),
            None => Ok(self.send(signal)?),
        }
    }

    /// Only for a process that is not reaped yet: afterwards its id may be somebody else's.
    fn send(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; killing a child that has ended is none.
        let _ = self.kill();
    }
}
