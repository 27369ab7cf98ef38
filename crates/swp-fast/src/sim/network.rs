//! Frames under way: when each copy arrives, and which never do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::Node;
use super::path::{PathConfig, damage};
use crate::time::Time;
use crate::wire::{Control, Credit, Frame, Kind, Seq, SessionId};

/// A frame that is held back for reordering arrives up to this many latencies later.
const REORDER_LATENCIES: u32 = 2;

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
        write!(f, "{:?} {from} -> {to}: {kind} {seq}{direct}", at.since(Time::ZERO))
    }
}

/// What a frame is to those who look on: known from when it was sent, not from its bytes on arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) from: Option<Node>,
    pub(super) kind: Kind,
    pub(super) session: SessionId,
    pub(super) epoch: u32,
    pub(super) seq: u64,
    /// Which life of its sender it is from: processes are started again.
    pub(super) life: u32,
    /// What a report says its consumer holds, and what it allows.
    pub(super) report: Option<(Seq, Credit)>,
    /// Where a SYN-ACK lets its consumer begin.
    pub(super) start: Option<Seq>,
}

impl Label {
    pub(super) fn of(from: Option<Node>, life: u32, frame: &Frame) -> Label {
        let header = frame.header;
        let (report, start) = match frame.control() {
            Some(Ok(Control::Ack(ack))) => (Some((ack.cumulative, ack.credit)), None),
            Some(Ok(Control::SynAck(syn_ack))) => (None, Some(syn_ack.start)),
            _ => (None, None),
        };
        let (kind, session, epoch) = (header.kind, header.session, header.epoch);
        Label { from, kind, session, epoch, seq: header.seq.get(), life, report, start }
    }
}

/// A copy of a frame. One that was damaged, or is no frame at all, has no label.
pub(super) struct Parcel {
    pub(super) frame: Bytes,
    pub(super) label: Option<Label>,
    /// It went to one endpoint's inbox, which the bus queues apart from what goes to all.
    pub(super) direct: bool,
}

/// What becomes of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It never arrives, and why.
    Lost(&'static str),
    Arrives {
        at: Time,
        again_at: Option<Time>,
        damaged: bool,
    },
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Lost(why) => write!(f, "lost: {why}"),
            Fate::Arrives { at, again_at, damaged } => {
                write!(f, "arrives at {:?}", at.since(Time::ZERO))?;
                if let Some(again_at) = again_at {
                    write!(f, " and {:?}", again_at.since(Time::ZERO))?;
                }
                f.write_str(if *damaged { ", damaged" } else { "" })
            }
        }
    }
}

/// Says whether a copy is to be lost.
type Filter = Box<dyn FnMut(&Transit) -> bool>;

/// What one node's frames to another have met with.
#[derive(Default)]
struct PathState {
    /// When the newest in-order frame arrives.
    newest: Time,
    /// See [`super::Burst`].
    bad: bool,
}

pub(super) struct Network {
    rng: Pcg64,
    under_way: BTreeMap<(Time, u64), (Node, Parcel)>,
    /// The number of the next copy: arrivals at the same time keep their order by it.
    next: u64,
    paths: BTreeMap<(Node, Node), PathState>,
    filters: Vec<Filter>,
    cut: BTreeSet<Node>,
    pub(super) copies: u64,
    pub(super) lost: u64,
    pub(super) damaged: u64,
}

impl Network {
    pub(super) fn new(seed: u64) -> Network {
        Network {
            rng: Pcg64::seed_from_u64(seed),
            under_way: BTreeMap::new(),
            next: 0,
            paths: BTreeMap::new(),
            filters: Vec::new(),
            cut: BTreeSet::new(),
            copies: 0,
            lost: 0,
            damaged: 0,
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
        self.lost += self.under_way.len() as u64;
        self.under_way.clear();
    }

    /// A process is gone, and with it the inbox that this was on its way to.
    pub(super) fn lose_to(&mut self, node: Node) {
        let before = self.under_way.len();
        self.under_way.retain(|_, (to, _)| *to != node);
        self.lost += (before - self.under_way.len()) as u64;
    }

    pub(super) fn send(
        &mut self,
        transit: &Transit,
        path: &PathConfig,
        label: Option<Label>,
        frame: &Bytes,
    ) -> Fate {
        self.copies += 1;
        let state = self.paths.entry((transit.from, transit.to)).or_default();
        // Every filter sees every copy, so that one that counts is not misled by another.
        let mut filtered = false;
        for filter in &mut self.filters {
            filtered |= filter(transit);
        }
        let burst = path.burst.is_some_and(|burst| burst.step(&mut self.rng, &mut state.bad));
        let by_chance = self.rng.random_bool(path.loss);
        let causes = [
            (self.cut.contains(&transit.from) || self.cut.contains(&transit.to), "cut off"),
            (filtered, "filtered"),
            (by_chance, "by chance"),
            (burst, "in a burst"),
        ];
        if let Some((_, why)) = causes.iter().find(|(hit, _)| *hit) {
            self.lost += 1;
            return Fate::Lost(why);
        }
        let damaged = self.rng.random_bool(path.corrupt);
        let (frame, label) = match damaged {
            true => (damage(&mut self.rng, frame), None),
            false => (frame.clone(), label),
        };
        self.damaged += u64::from(damaged);
        let at = transit.at + path.latency + up_to(&mut self.rng, path.jitter);
        let at = if self.rng.random_bool(path.reorder) {
            at + up_to(&mut self.rng, path.latency * REORDER_LATENCIES)
        } else {
            state.newest = at.max(state.newest);
            state.newest
        };
        let direct = transit.direct;
        let again = self.rng.random_bool(path.duplicate);
        let again_at = again.then(|| at + up_to(&mut self.rng, path.latency));
        if let Some(again_at) = again_at {
            self.arrive(again_at, transit.to, Parcel { frame: frame.clone(), label, direct });
        }
        self.arrive(at, transit.to, Parcel { frame, label, direct });
        Fate::Arrives { at, again_at, damaged }
    }

    /// Puts a frame before a node without any path.
    pub(super) fn arrive(&mut self, at: Time, to: Node, parcel: Parcel) {
        self.under_way.insert((at, self.next), (to, parcel));
        self.next += 1;
    }

    pub(super) fn next_arrival_at(&self) -> Option<Time> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop_arrival(&mut self, now: Time) -> Option<(Node, Parcel)> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

fn up_to(rng: &mut Pcg64, most: Duration) -> Duration {
    Duration::from_nanos(rng.random_range(0..=most.as_nanos() as u64))
}
