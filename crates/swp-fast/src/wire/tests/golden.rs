//! The exact bytes of frames of every kind. A change of these bytes requires a new [`VERSION`].

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::*;

const SESSION: SessionId = SessionId(0x0123_4567_89ab_cdef);
const PEER: PeerId = PeerId(0xfedc_ba98_7654_3210);

fn seq(value: u64) -> Seq {
    Seq::new(value).expect("within bounds")
}

/// Sample contents of control frames, at least one of each kind.
fn controls() -> Vec<(&'static str, Control)> {
    let mut sack = SackRanges::default();
    assert!(sack.push(seq(100_002), seq(100_005)) && sack.push(seq(100_300), seq(170_000)));
    let ack = Ack {
        peer: PEER,
        cumulative: seq(100_000),
        sack,
        credit: Credit { frames: seq(100_256), bytes: 1_700_000_000 },
        latest: Some(seq(169_999)),
        delay_us: 250,
        probe: 7,
        probe_delay_us: 40,
        generation: 1,
        duplicates: 300,
        dropped: 0,
    };
    let syn = Syn {
        peer: PEER,
        name: "ticks-1 \u{e9}".to_owned(),
        tag: String::new(),
        window_frames: 256,
        window_bytes: 4 << 20,
        max_message_bytes: 1 << 33,
        resume: None,
    };
    let mut held = SackRanges::default();
    assert!(held.push(seq(100_002), seq(100_005)));
    let resume = Resume {
        session: SESSION,
        epoch: 1,
        peer: PeerId(7),
        next: seq(100_000),
        next_bytes: 1_638_400_000,
        sack: held,
    };
    let syn_again = Syn { tag: "left".to_owned(), resume: Some(resume), ..syn.clone() };
    let syn_ack = SynAck {
        peer: PEER,
        start: seq(100_000),
        start_bytes: 1_638_400_000,
        integrity: Integrity::Blake3,
        max_body_bytes: 17_413,
        max_message_bytes: 64 << 20,
        keep_alive: Duration::from_millis(500),
        idle_timeout: Duration::from_secs(10),
        consumers: 1,
        generation: 1,
        paces: true,
    };
    let probe =
        Probe { peer: Some(PEER), number: 7, next: seq(170_000), consumers: 300, generation: 1 };
    let trailer = Bytes::from_static(b"bye");
    let reset = Reset { peer: PEER, code: ResetCode::Refused, reason: "full".to_owned() };
    vec![
        ("ack", Control::Ack(ack)),
        ("syn", Control::Syn(syn)),
        ("syn again", Control::Syn(syn_again)),
        ("syn-ack", Control::SynAck(syn_ack)),
        ("probe one", Control::Probe(probe)),
        ("probe all", Control::Probe(Probe { peer: None, ..probe })),
        ("fin", Control::Fin(Fin { end: seq(170_000), trailer })),
        ("fin-ack", Control::FinAck(FinAck { peer: PEER })),
        ("closed", Control::Closed(FinAck { peer: PEER })),
        ("reset", Control::Reset(reset)),
        ("announce", Control::Announce(Announce { peer: PEER, claiming: true })),
    ]
}

/// Frames of every kind: data frames with each digest that `sealer` allows, then the control
/// frames.
pub(super) fn frames(sealer: &Sealer) -> Vec<(String, Bytes)> {
    let mut frames = Vec::new();
    for integrity in [Integrity::Blake3, Integrity::Crc32c, Integrity::None] {
        if sealer.is_keyed() && integrity != Integrity::Blake3 {
            continue;
        }
        let mut open = OpenFrame::new(100);
        assert!(open.push(b"hello") && open.push(b"") && open.push(b"world"));
        let packed = (Kind::Data, open.into_buf());
        let part = (Kind::Fragment, encode_fragment(1_000_000, 32_768, b"piece"));
        for (kind, buf) in [packed, part] {
            let digest = integrity.digest(&buf[MAX_HEADER..]);
            let header = Header { kind, session: SESSION, epoch: 1, seq: seq(100_000), digest };
            frames.push((format!("{kind:?} {integrity}"), sealer.seal_data(buf, &header)));
        }
    }
    for (name, control) in controls() {
        frames.push((name.to_owned(), sealer.seal_control(SESSION, 1, seq(42), &control)));
    }
    frames
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compare(sealer: &Sealer, golden: &[(&str, [&str; 3])]) {
    let frames = frames(sealer);
    let made: Vec<(&str, String)> =
        frames.iter().map(|(name, frame)| (name.as_str(), hex(frame))).collect();
    let golden: Vec<(&str, String)> =
        golden.iter().map(|&(name, parts)| (name, parts.concat())).collect();
    assert_eq!(made, golden);
}

#[test]
fn unkeyed_frames_have_exactly_these_bytes() {
    compare(&Sealer::default(), UNKEYED);
}

#[test]
fn keyed_frames_have_exactly_these_bytes() {
    compare(&Sealer::new(Some(Key::from_bytes([7; 32]))), KEYED);
}

#[test]
fn every_kind_has_a_golden_frame() {
    let sealer = Sealer::default();
    let frames = frames(&sealer);
    let kinds = frames.iter().map(|(_, frame)| sealer.peek(frame).expect("valid frame").kind);
    let covered: BTreeSet<u8> = kinds.map(|kind| kind as u8).collect();
    assert_eq!(covered, Kind::ALL.iter().map(|&kind| kind as u8).collect());
}

#[test]
fn golden_frames_read_back() {
    for key in [None, Some(Key::from_bytes([7; 32]))] {
        let sealer = Sealer::new(key);
        let controls = controls();
        let frames = frames(&sealer);
        let (data, control) = frames.split_at(frames.len() - controls.len());
        for ((_, frame), (_, expected)) in control.iter().zip(controls) {
            let frame = sealer.open(frame).expect("valid frame");
            assert_eq!((frame.header.session, frame.header.epoch), (SESSION, 1));
            assert_eq!(frame.header.seq, seq(42));
            assert_eq!(frame.control(), Some(Ok(expected)));
        }
        for (_, frame) in data {
            let frame = sealer.open(frame).expect("valid frame");
            assert_eq!(frame.header.seq, seq(100_000));
            assert_eq!(frame.control(), None);
            if frame.header.kind == Kind::Data {
                let messages: Vec<_> = Messages::new(frame.body).collect();
                let expected: [&'static [u8]; 3] = [b"hello", b"", b"world"];
                assert_eq!(messages, expected.map(|m| Ok(Bytes::from_static(m))));
            } else {
                let part = Bytes::from_static(b"piece");
                let expected = Fragment { total: 1_000_000, offset: 32_768, part };
                assert_eq!(Fragment::decode(&frame.body), Ok(expected));
            }
        }
    }
}

// Each frame as header, check and body.
#[rustfmt::skip]
const UNKEYED: &[(&str, [&str; 3])] = &[
    ("Data blake3", [
        "960100cf0123456789abcdef01ce000186a0c4108fa4759a16ae916aef963b25b7592261",
        "ce128181ab",
        "c40568656c6c6fc400c405776f726c64",
    ]),
    ("Fragment blake3", [
        "960101cf0123456789abcdef01ce000186a0c4106f461a24587a356165c21bd2c8a2ac97",
        "ce19cecf1a",
        "ce000f4240cd8000c4057069656365",
    ]),
    ("Data crc32c", [
        "960100cf0123456789abcdef01ce000186a0c404b10775f2",
        "ceb2b9dc56",
        "c40568656c6c6fc400c405776f726c64",
    ]),
    ("Fragment crc32c", [
        "960101cf0123456789abcdef01ce000186a0c404dd1419fd",
        "ce88d42d24",
        "ce000f4240cd8000c4057069656365",
    ]),
    ("Data none", [
        "960100cf0123456789abcdef01ce000186a0c400",
        "cebe771907",
        "c40568656c6c6fc400c405776f726c64",
    ]),
    ("Fragment none", [
        "960101cf0123456789abcdef01ce000186a0c400",
        "ceb11e1b2c",
        "ce000f4240cd8000c4057069656365",
    ]),
    ("ack", [
        "960102cf0123456789abcdef012ac404057a6429",
        "ce6871b2d2",
        "9ccffedcba9876543210ce000186a0ce000187a0ce6553f100ce00029810ccfa072801cd012c00940203cd0127ce00011044",
    ]),
    ("syn", [
        "960103cf0123456789abcdef012ac4045b34b805",
        "cebc2f49aa",
        "97cffedcba9876543210aa7469636b732d3120c3a9a0cd0100ce00400000cf000000020000000090",
    ]),
    ("syn again", [
        "960103cf0123456789abcdef012ac404a6653537",
        "ced3ea14e8",
        "97cffedcba9876543210aa7469636b732d3120c3a9a46c656674cd0100ce00400000cf000000020000000096cf0123456789abcdef0107ce000186a0ce61a80000920203",
    ]),
    ("syn-ack", [
        "960104cf0123456789abcdef012ac4045891ee25",
        "ce2a4e9c18",
        "9bcffedcba9876543210ce000186a0ce61a8000002cd4405ce04000000cd01f4cd2710010101",
    ]),
    ("probe one", [
        "960105cf0123456789abcdef012ac4043fd3674b",
        "ce70653232",
        "9591cffedcba987654321007ce00029810cd012c01",
    ]),
    (
        "probe all",
        ["960105cf0123456789abcdef012ac40483bc5205", "ce0b07647c", "959007ce00029810cd012c01"],
    ),
    ("fin", ["960106cf0123456789abcdef012ac404289a3f30", "ce7e181ad1", "92ce00029810c403627965"]),
    ("fin-ack", ["960107cf0123456789abcdef012ac404b08d72fa", "ceafe7e816", "91cffedcba9876543210"]),
    ("closed", ["960108cf0123456789abcdef012ac404b08d72fa", "cef8b0f79f", "91cffedcba9876543210"]),
    ("reset", [
        "960109cf0123456789abcdef012ac4049ab56564",
        "cebb1062f7",
        "93cffedcba987654321003a466756c6c",
    ]),
    (
        "announce",
        ["96010acf0123456789abcdef012ac404845474df", "ce7e728ad7", "92cffedcba987654321001"],
    ),
];

#[rustfmt::skip]
const KEYED: &[(&str, [&str; 3])] = &[
    ("Data blake3", [
        "960100cf0123456789abcdef01ce000186a0c4108fa4759a16ae916aef963b25b7592261",
        "c410e3b87b564a26d3b12b325f221cafbb09",
        "c40568656c6c6fc400c405776f726c64",
    ]),
    ("Fragment blake3", [
        "960101cf0123456789abcdef01ce000186a0c4106f461a24587a356165c21bd2c8a2ac97",
        "c410cac31882443471a3d8fcd62c5e058504",
        "ce000f4240cd8000c4057069656365",
    ]),
    ("ack", [
        "960102cf0123456789abcdef012ac41005a171042b7d84b4efbd3c0a7fc44426",
        "c410e5937e6f0c6136939772f0bf15a630ee",
        "9ccffedcba9876543210ce000186a0ce000187a0ce6553f100ce00029810ccfa072801cd012c00940203cd0127ce00011044",
    ]),
    ("syn", [
        "960103cf0123456789abcdef012ac410cc5f78a162d62c186eca90a10f10b357",
        "c410eae14bd95e5014f21c2107a52ef5b6f2",
        "97cffedcba9876543210aa7469636b732d3120c3a9a0cd0100ce00400000cf000000020000000090",
    ]),
    ("syn again", [
        "960103cf0123456789abcdef012ac4105e97d2475c974781b4c927df4e654ae7",
        "c4104c94dee63100f210e3df08d6437358a5",
        "97cffedcba9876543210aa7469636b732d3120c3a9a46c656674cd0100ce00400000cf000000020000000096cf0123456789abcdef0107ce000186a0ce61a80000920203",
    ]),
    ("syn-ack", [
        "960104cf0123456789abcdef012ac41080aee5157f0511f22cc4bbf5200d9d9a",
        "c4106b60a014132482094721d13ebde123bf",
        "9bcffedcba9876543210ce000186a0ce61a8000002cd4405ce04000000cd01f4cd2710010101",
    ]),
    ("probe one", [
        "960105cf0123456789abcdef012ac41087708ca3004019456cd4430e0dee9257",
        "c41008fd042da7e9bb5c8e2aaf26557a6a2a",
        "9591cffedcba987654321007ce00029810cd012c01",
    ]),
    ("probe all", [
        "960105cf0123456789abcdef012ac410f245fd671342105a9c5ff8470212ad2b",
        "c4104da93af1256aad3856eea92e6086ccdd",
        "959007ce00029810cd012c01",
    ]),
    ("fin", [
        "960106cf0123456789abcdef012ac41025ba2bed92144ee13bf716029dd71bd8",
        "c410e8ff416c03d58ae093d8536f0374dabc",
        "92ce00029810c403627965",
    ]),
    ("fin-ack", [
        "960107cf0123456789abcdef012ac4103057658fecc96b22ae08f08a56737d7a",
        "c41016a3f621a189a21f9838be8227e1f252",
        "91cffedcba9876543210",
    ]),
    ("closed", [
        "960108cf0123456789abcdef012ac4103057658fecc96b22ae08f08a56737d7a",
        "c410f5a331a14bb23f47f15022b643a767c9",
        "91cffedcba9876543210",
    ]),
    ("reset", [
        "960109cf0123456789abcdef012ac410946b5b5edcfad24ee6dcc350110afbab",
        "c410d3e1c179c125698be98785d1bc2e23c4",
        "93cffedcba987654321003a466756c6c",
    ]),
    ("announce", [
        "96010acf0123456789abcdef012ac410b83ea47a92f0b3a530776f1f522c83c2",
        "c410cd8f2acffc2f7d80059de3b8bc7cdff2",
        "92cffedcba987654321001",
    ]),
];
