//! What is done to messages, and how often.

use std::time::Duration;

/// Rates are chances for each message, 0 (never, the default) to 1 (always); what lies outside counts as
/// the nearer of the two. One message can meet several faults at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// The message is lost, and no other fault matters to it.
    pub drop: f64,
    /// It passes twice.
    pub duplicate: f64,
    /// It waits until 1 to 8 later ones have passed, or 5 ms with nothing to overtake it.
    pub reorder: f64,
    /// One bit of its payload is flipped. An empty payload stays as it is.
    pub corrupt: f64,
    /// It waits up to [`Self::delay_max`], and everything behind it too.
    pub delay: f64,
    /// The longest delay. Default 10 ms.
    pub delay_max: Duration,
    /// Only messages whose subjects begin with one of these are touched. Default empty: all are.
    pub subjects: Vec<String>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            drop: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            corrupt: 0.0,
            delay: 0.0,
            delay_max: Duration::from_millis(10),
            subjects: Vec::new(),
        }
    }
}

impl Faults {
    /// The same rate for all kinds of faults.
    #[must_use]
    pub fn all(rate: f64) -> Faults {
        Faults {
            drop: rate,
            duplicate: rate,
            reorder: rate,
            corrupt: rate,
            delay: rate,
            ..Faults::default()
        }
    }

    pub(crate) fn concern(&self, subject: &[u8]) -> bool {
        self.subjects.is_empty()
            || self.subjects.iter().any(|prefix| subject.starts_with(prefix.as_bytes()))
    }
}
