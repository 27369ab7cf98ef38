//! Phases with a latecomer, compared with those around them.

use crate::record::Latecomer;

/// A phase with a latecomer, and the two around it without one; messages a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Compared {
    /// What the first consumer read, on average of the phases before and behind.
    pub(crate) alone_per_s: f64,
    /// What it read beside the latecomer.
    pub(crate) beside_per_s: f64,
    /// What the latecomer read.
    pub(crate) late_per_s: f64,
}

impl Compared {
    /// The part of its pace that the first consumer kept.
    pub(crate) fn kept(&self) -> f64 {
        self.beside_per_s / self.alone_per_s
    }
}

/// What can be compared: phases that count, between two that do. `lines` are in the order in which they
/// were measured; a round begins with phase 0.
pub(crate) fn compare<'a>(lines: impl IntoIterator<Item = &'a Latecomer>) -> Vec<Compared> {
    let lines: Vec<&Latecomer> = lines.into_iter().collect();
    let rounds = lines.chunk_by(|_, next| next.phase != 0);
    rounds.flat_map(|round| round.windows(3)).filter_map(compare_three).collect()
}

fn compare_three(three: &[&Latecomer]) -> Option<Compared> {
    let &[before, beside, behind] = three else { return None };
    let alternate = !before.latecomer && beside.latecomer && !behind.latecomer;
    if !alternate || three.iter().any(|phase| phase.discarded.is_some()) {
        return None;
    }
    let per_s = |messages: u64, phase: &Latecomer| messages as f64 / phase.seconds.max(1e-9);
    let [before_per_s, behind_per_s] = [before, behind].map(|phase| per_s(phase.messages, phase));
    let compared = Compared {
        alone_per_s: f64::midpoint(before_per_s, behind_per_s),
        beside_per_s: per_s(beside.messages, beside),
        late_per_s: per_s(beside.late_messages, beside),
    };
    // A first consumer that stood still has no pace to keep.
    (compared.alone_per_s > 0.0).then_some(compared)
}

#[cfg(test)]
mod tests;
