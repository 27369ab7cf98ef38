//! Says how far a command is: a bar on a terminal, a line a second elsewhere, nothing if quiet.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::units::{show_bytes, show_count};

/// How often a bar moves: often enough to look alive, and no load.
const BAR_INTERVAL: Duration = Duration::from_millis(200);

/// How often a line is printed where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Where the command stands.
pub(crate) struct Progress {
    show: Show,
    started: Instant,
    last: (Instant, u64),
    total_messages: Option<u64>,
    messages_before: u64,
}

enum Show {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// `total_messages` is what 100 % is, where that is known.
    pub(crate) fn new(quiet: bool, total_messages: Option<u64>) -> Progress {
        let show = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Show::Nothing,
            (false, false) => Show::Lines,
            (false, true) => Show::Bar(bar(total_messages)),
        };
        let now = Instant::now();
        Progress { show, started: now, last: (now, 0), total_messages, messages_before: 0 }
    }

    /// How often [`Progress::show`] is to be called.
    pub(crate) fn interval(&self) -> Duration {
        match self.show {
            Show::Bar(_) => BAR_INTERVAL,
            _ => LINE_INTERVAL,
        }
    }

    /// A line beside the progress, once.
    pub(crate) fn say(&self, text: &str) {
        match &self.show {
            Show::Nothing => {}
            Show::Lines => eprintln!("{text}"),
            Show::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
        }
    }

    /// The time starts now: before, something was waited for. This much was there already.
    pub(crate) fn start(&mut self, messages: u64, bytes: u64) {
        self.started = Instant::now();
        self.last = (self.started, bytes);
        self.messages_before = messages;
    }

    /// Shows where the command stands; `more` is put behind it.
    pub(crate) fn show(&mut self, messages: u64, bytes: u64, more: &str) {
        if matches!(self.show, Show::Nothing) {
            return;
        }
        let (now, (before, before_bytes)) = (Instant::now(), self.last);
        let seconds = (now - before).as_secs_f64().max(1e-9);
        let rate = bytes.saturating_sub(before_bytes) as f64 / seconds;
        self.last = (now, bytes);
        let left = match self.total_messages {
            Some(total) if messages > self.messages_before && messages < total => {
                let come = messages - self.messages_before;
                let per_message = self.started.elapsed().as_secs_f64() / come as f64;
                format!(", {:.0} s left", per_message * (total - messages) as f64)
            }
            _ => String::new(),
        };
        let of =
            self.total_messages.map_or(String::new(), |total| format!(" of {}", show_count(total)));
        let text = format!(
            "{}{of} messages, {}, {}/s{left}{more}",
            show_count(messages),
            show_bytes(bytes as f64),
            show_bytes(rate)
        );
        match &self.show {
            Show::Bar(bar) => {
                bar.set_position(messages);
                bar.set_message(text);
                bar.tick();
            }
            _ => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
    pub(crate) fn done(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}

fn bar(total_messages: Option<u64>) -> ProgressBar {
    let (bar, template) = match total_messages {
        Some(total) => (ProgressBar::new(total), "{bar:24} {percent:>3}% {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    // The templates are constants that the tests parse; the plain style serves as well.
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
