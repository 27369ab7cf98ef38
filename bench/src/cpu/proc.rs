//! Processor time of a running process, as Linux keeps it.

use std::fs;

use crate::Failure;

/// Seconds of processor time, of all threads. The kernel tells them in ticks of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Times {
    pub(super) user_s: f64,
    pub(super) system_s: f64,
}

impl Times {
    /// From the process's start until now.
    pub(super) fn of(pid: u32) -> Result<Times, Failure> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let (user, system) = ticks(&stat).ok_or_else(|| format!("{path}: cannot be understood"))?;
        let per_s = rustix::param::clock_ticks_per_second() as f64;
        Ok(Times { user_s: user as f64 / per_s, system_s: system as f64 / per_s })
    }

    pub(super) fn since(self, before: Times) -> Times {
        Times { user_s: self.user_s - before.user_s, system_s: self.system_s - before.system_s }
    }

    pub(super) fn total_s(self) -> f64 {
        self.user_s + self.system_s
    }
}

/// Fields 14 and 15 of proc_pid_stat(5). Field 2, the program's name, is in parentheses and may hold
/// anything, spaces and parentheses too.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
