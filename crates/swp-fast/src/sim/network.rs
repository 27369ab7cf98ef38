//! Frames on their way: when each copy arrives, and which copies never do.

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

/// A frame that is overtaken arrives up to this many latencies later.
const REORDER_LATENCIES: u32 = 2;

/// One copy of a frame on its way, as filters see it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Transit {
    /// When the frame was sent.
    pub at: Time,
    /// The sender.
    pub from: Node,
    /// The addressee.
    pub to: Node,
    /// The frame's kind, or `None` if the frame does not open with the world's key.
    pub kind: Option<Kind>,
    /// The sequence number.
    pub seq: u64,
    /// The frame goes to one inbox alone: a data frame is a retransmission then.
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

/// What the simulator knows of a frame from when it was sent, not from its bytes on arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) from: Option<Node>,
    pub(super) kind: Kind,
    pub(super) session: SessionId,
    pub(super) epoch: u32,
    pub(super) seq: u64,
    /// How often the sender's process had been started again.
    pub(super) restarts: u32,
    /// The cumulative ack and the credit of an ACK.
    pub(super) ack: Option<(Seq, Credit)>,
    /// Where the stream begins for the consumer of a SYN-ACK.
    pub(super) start: Option<Seq>,
}

impl Label {
    pub(super) fn of(from: Option<Node>, restarts: u32, frame: &Frame) -> Label {
        let header = frame.header;
        let (ack, start) = match frame.control() {
            Some(Ok(Control::Ack(ack))) => (Some((ack.cumulative, ack.credit)), None),
            Some(Ok(Control::SynAck(syn_ack))) => (None, Some(syn_ack.start)),
            _ => (None, None),
        };
        let (kind, session, epoch) = (header.kind, header.session, header.epoch);
        Label { from, kind, session, epoch, seq: header.seq.get(), restarts, ack, start }
    }
}

/// A copy of a frame that arrives.
pub(super) struct Delivery {
    pub(super) frame: Bytes,
    /// `None` if the copy was damaged, or is no frame at all.
    pub(super) label: Option<Label>,
    /// The copy went to one endpoint's inbox, which the bus queues apart from what goes to all.
    pub(super) direct: bool,
}

/// What becomes of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The copy never arrives, for this reason.
    Lost(&'static str),
    /// The copy arrives.
    Arrives { at: Time, again_at: Option<Time>, damaged: bool },
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

/// Returns true if a copy is to be lost.
type Filter = Box<dyn FnMut(&Transit) -> bool>;

/// The state of the path from one node to another.
#[derive(Default)]
struct PathState {
    /// When the newest in-order frame arrives.
    newest: Time,
    /// See [`super::Burst`].
    bad: bool,
}

pub(super) struct Network {
    rng: Pcg64,
    in_transit: BTreeMap<(Time, u64), (Node, Delivery)>,
    /// The number of the next copy. Arrivals at the same time keep their order by this number.
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
            in_transit: BTreeMap::new(),
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

    /// The bus went down: all copies on their way are lost.
    pub(super) fn lose_all(&mut self) {
        self.lost += self.in_transit.len() as u64;
        self.in_transit.clear();
    }

    /// A process died, and with it the inbox of the copies on their way to it.
    pub(super) fn lose_to(&mut self, node: Node) {
        let before = self.in_transit.len();
        self.in_transit.retain(|_, (to, _)| *to != node);
        self.lost += (before - self.in_transit.len()) as u64;
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
        // Every filter sees every copy, so that filters that count do not depend on each other.
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
            self.arrive(again_at, transit.to, Delivery { frame: frame.clone(), label, direct });
        }
        self.arrive(at, transit.to, Delivery { frame, label, direct });
        Fate::Arrives { at, again_at, damaged }
    }

    /// A frame arrives at a node without taking any path.
    pub(super) fn arrive(&mut self, at: Time, to: Node, delivery: Delivery) {
        self.in_transit.insert((at, self.next), (to, delivery));
        self.next += 1;
    }

    pub(super) fn next_arrival_at(&self) -> Option<Time> {
        self.in_transit.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop_arrival(&mut self, now: Time) -> Option<(Node, Delivery)> {
        let entry = self.in_transit.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

fn up_to(rng: &mut Pcg64, most: Duration) -> Duration {
    Duration::from_nanos(rng.random_range(0..=most.as_nanos() as u64))
}
