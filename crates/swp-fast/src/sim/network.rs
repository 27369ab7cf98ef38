//! Frames under way: when each copy arrives, and which never do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::Node;
use crate::time::Time;
use crate::wire::Kind;

/// A frame that is held back for reordering arrives up to this many latencies later.
const REORDER_LATENCIES: u32 = 2;

/// The array's marker and the version, one byte each, come before anything else is looked at.
const CHECKED_FROM: usize = 2;

/// The weather in one direction. Chances are 0.0 to 1.0, for each copy of each frame by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathConfig {
    /// Time from one end to the other. Default 1 ms.
    pub latency: Duration,
    /// Up to this much more, evenly spread. Keeps the order, as the bus does. Default zero.
    pub jitter: Duration,
    /// The chance that a frame is lost. Default 0.
    pub loss: f64,
    /// The chance that a frame arrives a second time, up to a latency later. Default 0.
    pub duplicate: f64,
    /// The chance that a frame is overtaken by others, for up to two latencies. Default 0.
    pub reorder: f64,
    /// The chance that one bit of a frame is turned over, behind the version: with that damaged, a frame
    /// cannot be told from one of another version. Default 0.
    pub corrupt: f64,
}

impl Default for PathConfig {
    fn default() -> Self {
        PathConfig {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            corrupt: 0.0,
        }
    }
}

/// One copy of a frame on its way, as filters see it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Transit {
    /// When it was sent.
    pub at: Time,
    /// By whom.
    pub from: Node,
    /// To whom.
    pub to: Node,
    /// What it is; `None` where it does not open with the world's key.
    pub kind: Option<Kind>,
    /// Its number.
    pub seq: u64,
    /// Sent to one consumer alone: a repair, where it is data.
    pub direct: bool,
}

impl fmt::Display for Transit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transit { at, from, to, kind, seq, direct } = self;
        let kind = kind.map_or("noise".to_owned(), |kind| format!("{kind:?}"));
        let direct = if *direct { " (direct)" } else { "" };
        write!(f, "{:?} {from:?} -> {to:?}: {kind} {seq}{direct}", at.since(Time::ZERO))
    }
}

/// Says whether a copy is to be lost.
type Filter = Box<dyn FnMut(&Transit) -> bool>;

pub(super) struct Network {
    rng: Pcg64,
    under_way: BTreeMap<(Time, u64), (Node, Bytes)>,
    /// The number of the next copy: arrivals at the same time keep their order by it.
    next: u64,
    /// When the newest in-order frame of a path arrives.
    newest: BTreeMap<(Node, Node), Time>,
    filters: Vec<Filter>,
    cut: BTreeSet<Node>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Network {
        Network {
            rng: Pcg64::seed_from_u64(seed),
            under_way: BTreeMap::new(),
            next: 0,
            newest: BTreeMap::new(),
            filters: Vec::new(),
            cut: BTreeSet::new(),
        }
    }

    pub(super) fn random_id(&mut self) -> u64 {
        self.rng.random_range(1..u64::MAX)
    }

    pub(super) fn add_filter(&mut self, filter: Filter) {
        self.filters.push(filter);
    }

    pub(super) fn clear_filters(&mut self) {
        self.filters.clear();
    }

    pub(super) fn set_cut(&mut self, node: Node, cut: bool) {
        if cut {
            self.cut.insert(node);
        } else {
            self.cut.remove(&node);
        }
    }

    /// The bus went down: whatever was under way is gone.
    pub(super) fn lose_all(&mut self) {
        self.under_way.clear();
    }

    pub(super) fn send(&mut self, transit: &Transit, path: &PathConfig, frame: &Bytes) {
        // Every filter sees every copy, so that one that counts is not misled by another.
        let mut lost = self.cut.contains(&transit.from) || self.cut.contains(&transit.to);
        for filter in &mut self.filters {
            lost |= filter(transit);
        }
        if self.rng.random_bool(path.loss) || lost {
            return;
        }
        let frame = self.maybe_corrupt(path, frame);
        let at = transit.at + path.latency + self.up_to(path.jitter);
        let key = (transit.from, transit.to);
        let at = if self.rng.random_bool(path.reorder) {
            at + self.up_to(path.latency * REORDER_LATENCIES)
        } else {
            let at = self.newest.get(&key).map_or(at, |newest| at.max(*newest));
            self.newest.insert(key, at);
            at
        };
        if self.rng.random_bool(path.duplicate) {
            let again_at = at + self.up_to(path.latency);
            self.arrive(again_at, transit.to, frame.clone());
        }
        self.arrive(at, transit.to, frame);
    }

    /// Puts a frame before a node without any path.
    pub(super) fn arrive(&mut self, at: Time, to: Node, frame: Bytes) {
        self.under_way.insert((at, self.next), (to, frame));
        self.next += 1;
    }

    pub(super) fn next_arrival_at(&self) -> Option<Time> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop_arrival(&mut self, now: Time) -> Option<(Node, Bytes)> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.rng.random_range(0..=most.as_nanos() as u64))
    }

    fn maybe_corrupt(&mut self, path: &PathConfig, frame: &Bytes) -> Bytes {
        if frame.len() <= CHECKED_FROM || !self.rng.random_bool(path.corrupt) {
            return frame.clone();
        }
        let mut bytes = frame.to_vec();
        let at = self.rng.random_range(CHECKED_FROM..bytes.len());
        bytes[at] ^= 1 << self.rng.random_range(0..8u32);
        Bytes::from(bytes)
    }
}
