//! Strategies for arbitrary values of every type on the wire, for the property tests.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use crate::wire::*;

/// Integers of every magnitude with equal probability, so that every length on the wire occurs.
pub(in crate::wire) fn number() -> impl Strategy<Value = u64> {
    (0..=MAX_SEQ, 0..63_u32).prop_map(|(value, shift)| value >> shift)
}

/// Ids of every magnitude. Only ids use all 64 bits.
fn id() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)
}

pub(in crate::wire) fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(|value| Seq::new(value).expect("within bounds"))
}

pub(in crate::wire) fn session() -> impl Strategy<Value = SessionId> {
    id().prop_map(SessionId)
}

pub(in crate::wire) fn peer() -> impl Strategy<Value = PeerId> {
    id().prop_map(PeerId)
}

pub(in crate::wire) fn key() -> impl Strategy<Value = Key> {
    any::<[u8; 32]>().prop_map(Key::from_bytes)
}

pub(in crate::wire) fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=max)
}

pub(in crate::wire) fn integrity() -> impl Strategy<Value = Integrity> {
    prop::sample::select(vec![Integrity::Blake3, Integrity::Crc32c, Integrity::None])
}

pub(in crate::wire) fn digest() -> impl Strategy<Value = Digest> {
    prop_oneof![
        Just(Digest::None),
        any::<u32>().prop_map(Digest::Crc32c),
        any::<[u8; 16]>().prop_map(Digest::Blake3),
    ]
}

pub(in crate::wire) fn header() -> impl Strategy<Value = Header> {
    let kind = prop::sample::select(Kind::ALL);
    let epoch = (any::<u32>(), 0..32_u32).prop_map(|(value, shift)| value >> shift);
    (kind, session(), epoch, seq(), digest()).prop_map(|(kind, session, epoch, seq, digest)| {
        Header { kind, session, epoch, seq, digest }
    })
}

/// Up to [`MAX_SACK_RANGES`] ranges above `cumulative`, with gaps and ranges of every magnitude.
pub(in crate::wire) fn sack(cumulative: Seq) -> impl Strategy<Value = SackRanges> {
    let step = || (1..1_u64 << 55, 0..55_u32).prop_map(|(value, shift)| (value >> shift).max(1));
    prop::collection::vec((step(), step()), 0..=MAX_SACK_RANGES).prop_map(move |steps| {
        let mut sack = SackRanges::default();
        let mut last = cumulative;
        for (gap, held) in steps {
            let start = last.advance(gap);
            last = start.advance(held);
            assert!(sack.push(start, last), "{start}..{last}");
        }
        sack
    })
}

pub(in crate::wire) fn ack() -> impl Strategy<Value = Ack> {
    // At most half of `MAX_SEQ`: the gaps and ranges above take up to 64 steps of 2^55.
    let cumulative = number().prop_map(|value| Seq::new(value / 2).expect("within bounds"));
    let with_sack = cumulative.prop_flat_map(|at| (Just(at), sack(at)));
    let credit = (seq(), number()).prop_map(|(frames, bytes)| Credit { frames, bytes });
    let counts = ((any::<u32>(), any::<u32>(), any::<u32>()), number(), number(), number());
    (peer(), with_sack, credit, prop::option::of(seq()), counts).prop_map(
        |(peer, (cumulative, sack), credit, latest, (delays, probe, duplicates, dropped))| Ack {
            peer,
            cumulative,
            sack,
            credit,
            latest,
            delay_us: delays.0,
            probe,
            probe_delay_us: delays.1,
            generation: delays.2,
            duplicates,
            dropped,
        },
    )
}

fn millis() -> impl Strategy<Value = Duration> {
    (any::<u32>(), 0..32_u32).prop_map(|(ms, shift)| Duration::from_millis(u64::from(ms >> shift)))
}

fn resume() -> impl Strategy<Value = Resume> {
    let next = number().prop_map(|value| Seq::new(value / 2).expect("within bounds"));
    let with_sack = next.prop_flat_map(|at| (Just(at), sack(at)));
    (any::<u64>(), any::<u32>(), peer(), with_sack, number()).prop_map(
        |(session, epoch, peer, (next, sack), next_bytes)| Resume {
            session: SessionId(session),
            epoch,
            peer,
            next,
            next_bytes,
            sack,
        },
    )
}

fn syn() -> impl Strategy<Value = Syn> {
    let windows = (number(), number());
    (peer(), "\\PC{0,16}", "\\PC{0,16}", windows, number(), prop::option::of(resume())).prop_map(
        |(peer, name, tag, windows, max_message_bytes, resume)| Syn {
            peer,
            name,
            tag,
            window_frames: windows.0,
            window_bytes: windows.1,
            max_message_bytes,
            resume,
        },
    )
}

fn syn_ack() -> impl Strategy<Value = SynAck> {
    let bounds = (any::<u32>(), number());
    let times = (millis(), millis());
    (peer(), seq(), number(), integrity(), bounds, times, any::<(u32, u32, bool)>()).prop_map(
        |(peer, start, start_bytes, integrity, bounds, times, consumers)| SynAck {
            peer,
            start,
            start_bytes,
            integrity,
            max_body_bytes: bounds.0,
            max_message_bytes: bounds.1,
            keep_alive: times.0,
            idle_timeout: times.1,
            consumers: consumers.0,
            generation: consumers.1,
            paces: consumers.2,
        },
    )
}

fn reset() -> impl Strategy<Value = Reset> {
    (peer(), prop::sample::select(ResetCode::ALL), "\\PC{0,64}")
        .prop_map(|(peer, code, reason)| Reset { peer, code, reason })
}

/// The content of a control frame of any kind.
pub(in crate::wire) fn control() -> impl Strategy<Value = Control> {
    let probe = (prop::option::of(peer()), number(), seq(), any::<(u32, u32)>()).prop_map(
        |(peer, number, next, (consumers, generation))| {
            Control::Probe(Probe { peer, number, next, consumers, generation })
        },
    );
    let fin = (seq(), bytes(MAX_TRAILER))
        .prop_map(|(end, trailer)| Control::Fin(Fin { end, trailer: Bytes::from(trailer) }));
    let announce = (peer(), any::<bool>())
        .prop_map(|(peer, claiming)| Control::Announce(Announce { peer, claiming }));
    prop_oneof![
        3 => ack().prop_map(Control::Ack),
        1 => syn().prop_map(Control::Syn),
        1 => syn_ack().prop_map(Control::SynAck),
        1 => probe,
        1 => fin,
        1 => peer().prop_map(|peer| Control::FinAck(FinAck { peer })),
        1 => peer().prop_map(|peer| Control::Closed(FinAck { peer })),
        1 => reset().prop_map(Control::Reset),
        1 => announce,
    ]
}

/// Short messages, and some with the longest or shortest length of a marker.
pub(in crate::wire) fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let size = prop_oneof![
        8 => 0..300_usize,
        1 => prop::sample::select(vec![0, 1, 255, 256, 257, 65_535, 65_536, 65_537]),
    ];
    let message = (size, any::<u8>()).prop_map(|(size, fill)| vec![fill; size]);
    prop::collection::vec(message, 0..20)
}

/// Packs all `messages` into one frame. The limit is one run larger than the body, so that the
/// frame is not full too early.
pub(in crate::wire) fn packed(messages: &[Vec<u8>]) -> OpenFrame {
    let len: usize = messages.iter().map(|message| message_len(message.len())).sum();
    let mut open = OpenFrame::new(len + HASH_RUN);
    for message in messages {
        assert!(open.push(message), "{} bytes", message.len());
    }
    assert_eq!(open.body_len(), len);
    open
}

/// Returns a frame of [`Kind::Data`] with these messages.
pub(in crate::wire) fn data_frame(
    sealer: &Sealer,
    header: Header,
    integrity: Integrity,
    messages: &[Vec<u8>],
) -> Bytes {
    let open = packed(messages);
    let digest = integrity.digest(open.body());
    sealer.seal_data(open.into_buf(), &Header { kind: Kind::Data, digest, ..header })
}

/// MessagePack values and parts of values in any order, some with huge lengths. Such input gets
/// further into a decoder than random bytes.
pub(in crate::wire) fn soup() -> impl Strategy<Value = Vec<u8>> {
    let marker = prop_oneof![
        prop::sample::select(vec![0xc4_u8, 0xc5, 0xc6, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2]),
        prop::sample::select(vec![0xd3_u8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xa0, 0x90, 0x96, 0x9a]),
        any::<u8>(),
    ];
    let tail = prop_oneof![
        Just(vec![]),
        Just(vec![0xff; 8]),
        Just(vec![0xff; 4]),
        Just(vec![0; 4]),
        bytes(9),
    ];
    let value = (marker, tail).prop_map(|(marker, tail)| [vec![marker], tail].concat());
    prop::collection::vec(value, 0..24).prop_map(|values| values.concat())
}
