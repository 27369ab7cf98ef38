//! Writes the inputs that a fuzzer starts from: `cargo run -p swp-fuzz --example seeds -- FOLDER`.
//!
//! A frame of every kind, small captures of every shape, and random worlds; see `scripts/fuzz`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rand::{RngExt, SeedableRng};
use swp_fast::wire::{
    Ack, Announce, Control, Credit, Digest, Fin, FinAck, Header, Integrity, Key, Kind, MAX_HEADER,
    OpenFrame, PeerId, Probe, Reset, ResetCode, Resume, SackRanges, Sealer, Seq, SessionId, Syn,
    SynAck, encode_fragment,
};
use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};
use swp_replay::record::Record;

/// Random worlds at the start. A fuzzer keeps those that reach code that no other input reaches.
const WORLDS: u64 = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(root) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err("usage: seeds FOLDER".into());
    };
    frames(&folder(&root, "frame_decode")?)?;
    worlds(&folder(&root, "session")?)?;
    captures(&folder(&root, "capture_read")?)?;
    servers(&folder(&root, "server_ops")?)?;
    Ok(())
}

fn folder(root: &Path, name: &str) -> std::io::Result<PathBuf> {
    let path = root.join(name);
    fs::create_dir_all(&path)?;
    Ok(path)
}

fn frames(folder: &Path) -> std::io::Result<()> {
    for (mode, key) in [(0, None), (1, Some(Key::from_bytes([7; 32])))] {
        let sealer = Sealer::new(key);
        for control in controls() {
            let frame = sealer.seal_control(SessionId(1 << 60), 1, Seq::ZERO.next(), &control);
            let name = format!("{mode}-{:?}", control.kind());
            write(folder, &name, mode, &frame)?;
            // The body alone, to be sealed by the target.
            if let Ok(opened) = sealer.open(&frame) {
                let name = format!("{mode}-{:?}-body", control.kind());
                write(folder, &name, mode | 2, &unsealed(control.kind(), &opened.body))?;
            }
        }
        // The number 1 in eight bytes where one is enough: a value has one encoding.
        let long = [0x91, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1];
        write(folder, &format!("{mode}-long-form"), mode | 2, &unsealed(Kind::FinAck, &long))?;
        let mut open = OpenFrame::new(1024);
        let _ = [&b"hello"[..], b"", &[1; 300]].map(|message| open.push(message));
        let part = encode_fragment(1_000_000, 32_768, b"piece");
        for (kind, buf) in [(Kind::Data, open.into_buf()), (Kind::Fragment, part)] {
            let body = buf[MAX_HEADER..].to_vec();
            let digest = Integrity::Blake3.digest(&body);
            let header = Header { kind, session: SessionId(7), epoch: 1, seq: Seq::ZERO, digest };
            let mut room = BytesMut::zeroed(MAX_HEADER);
            room.put_slice(&body);
            write(folder, &format!("{mode}-{kind:?}"), mode, &sealer.seal_data(room, &header))?;
            write(folder, &format!("{mode}-{kind:?}-body"), mode, &body)?;
        }
    }
    Ok(())
}

/// What the target makes a frame of: kind, digest, session, epoch, sequence number, body.
fn unsealed(kind: Kind, body: &[u8]) -> Vec<u8> {
    [&[kind as u8, 0], &[0; 20][..], body].concat()
}

fn controls() -> Vec<Control> {
    let peer = PeerId(0x0123_4567_89ab_cdef);
    let seq = |n| Seq::ZERO.advance(n);
    let mut sack = SackRanges::default();
    let _ = [(60, 70), (80, 81), (1000, 2000)].map(|(a, b)| sack.push(seq(a), seq(b)));
    vec![
        Control::Ack(Ack {
            peer,
            cumulative: seq(50),
            sack: sack.clone(),
            credit: Credit { frames: seq(4096), bytes: 1 << 22 },
            latest: Some(seq(1999)),
            delay_us: 900,
            probe: 3,
            probe_delay_us: 5,
            generation: 1,
            duplicates: 1,
            dropped: 2,
        }),
        Control::Syn(Syn {
            peer,
            name: "name".to_owned(),
            tag: "tag".to_owned(),
            window_frames: 4096,
            window_bytes: 1 << 22,
            max_message_bytes: 1 << 26,
            resume: Some(Resume {
                session: SessionId(7),
                epoch: 1,
                peer,
                next: seq(50),
                next_bytes: 70_000,
                sack,
            }),
        }),
        Control::SynAck(SynAck {
            peer,
            start: seq(5),
            start_bytes: 70_000,
            integrity: Integrity::Blake3,
            max_body_bytes: 17_411,
            max_message_bytes: 1 << 26,
            keep_alive: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(10),
            consumers: 3,
            generation: 1,
            paces: true,
        }),
        Control::Probe(Probe {
            peer: Some(peer),
            number: 7,
            next: seq(100),
            consumers: 3,
            generation: 1,
        }),
        Control::Probe(Probe {
            peer: None,
            number: 8,
            next: seq(100),
            consumers: 1,
            generation: 1,
        }),
        Control::Fin(Fin { end: seq(100), trailer: Bytes::from_static(b"the last word") }),
        Control::FinAck(FinAck { peer }),
        Control::Closed(FinAck { peer }),
        Control::Reset(Reset { peer, code: ResetCode::Refused, reason: "no".to_owned() }),
        Control::Announce(Announce { peer, claiming: true }),
    ]
}

fn worlds(folder: &Path) -> std::io::Result<()> {
    for seed in 0..WORLDS {
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
        let len = rng.random_range(20..1200);
        let input: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        fs::write(folder.join(format!("world-{seed}")), input)?;
    }
    Ok(())
}

/// What a server may send, each in reads of seven bytes.
const SERVERS: [(&str, &[u8]); 16] = [
    ("info", b"INFO {\"max_payload\":1048576,\"headers\":true}\r\nPING\r\n"),
    ("message", b"MSG a.b 1 5\r\nhello\r\nPONG\r\n"),
    ("reply", b"MSG a.b 1 r.1 0\r\n\r\nMSG a 12 r 1\r\nx\r\n"),
    ("header", b"HMSG a 1 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nhi\r\n"),
    ("header-and-reply", b"HMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n"),
    ("lone-cr", b"HMSG a 1 16 17\r\nNATS/1.0\r\na\rb\r\nx\r\n"),
    ("odd-status", b"HMSG a\xff 1 12 12\r\nNATS/1.0 5\r\n\r\n"),
    ("unknown", b"+OK\r\nWHAT\r\n\r\nMSG a 1 1\r\nx\r\n"),
    ("publish-denied", b"-ERR 'Permissions Violation for Publish to \"a\\\"b\"'\r\n"),
    (
        "subscribe-denied",
        b"-ERR 'Permissions Violation for Subscription to \"a\" using queue \"q\"'\r\n",
    ),
    ("authorization", b"-ERR 'Authorization Violation'\r\n-ERR x\r\n-ERR '\r\n"),
    ("cut", b"MSG a.b 1 500\r\nhello"),
    ("no-end", b"MSG a 1 1\r\nxyz\r\n"),
    ("too-large", b"MSG a 1 99999999999999999999\r\n"),
    ("odd-sizes", b"HMSG a 1 9 8\r\n"),
    ("odd-words", b"MSG  a\t1  1\r\nx\r\nmsg a 1 1 1 1 1\r\n"),
];

fn servers(folder: &Path) -> std::io::Result<()> {
    for (name, stream) in SERVERS {
        write(folder, name, 7, stream)?;
    }
    // Large enough to be a slice of the read buffer, and then a line that is too long.
    let large = [&b"MSG a 1 9000\r\n"[..], &[b'x'; 1500]].concat();
    write(folder, "large", 200, &large)?;
    write(folder, "long-line", 200, &[b'x'; 300])
}

fn captures(folder: &Path) -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let shapes: [(&str, &[usize]); 4] =
        [("empty", &[]), ("one", &[5]), ("some", &[10, 0, 300, 40]), ("parts", &[20, 2000, 30])];
    for (name, lengths) in shapes {
        let path = scratch.path().join(name);
        let mut writer = CaptureWriter::create(&path, options())?;
        for (number, len) in lengths.iter().enumerate() {
            let payload = vec![b'x'; *len];
            writer.append(&Record {
                timestamp_ns: 1_000 + number as u64,
                subject: "seed.subject",
                reply: (number == 1).then_some("reply"),
                headers: (number == 2).then(|| [("Name", "value")].into_iter().collect()),
                payload: &payload,
            })?;
            // Each block has a few frames.
            if number % 2 == 1 {
                writer.sync()?;
            }
        }
        finish(writer)?;
        let file = fs::read(&path)?;
        keep(folder, name, &file)?;
        if name == "one" {
            // The bytes of the file themselves.
            fs::write(folder.join("whole"), [&[3], &file[..]].concat())?;
        }
    }
    let path = scratch.path().join("spanning");
    spanning(&path)?;
    let file = fs::read(&path)?;
    keep(folder, "spanning", &file)?;
    for (name, changes) in LIES {
        let mut file = file.clone();
        for (at, byte) in changes {
            file[*at] ^= byte;
        }
        keep(folder, name, &file)?;
    }
    Ok(())
}

/// Bytes to change, by their place in the file. The checks are made to fit again, so that they
/// cover a file that contradicts itself. The first block begins at 4096, its table (40 bytes a
/// frame) at 4176, the second block at 8192.
const LIES: [(&str, &[(usize, u8)]); 7] = [
    ("two-records", &[(4096 + 40, 3), (4176 + 8, 3)]),
    ("no-record", &[(4096 + 40, 1), (4176 + 8, 1)]),
    ("continues", &[(4176 + 12, 1), (4176 + 13, 1)]),
    ("other-kind", &[(4176 + 12, 1)]),
    ("body-behind-the-block", &[(4176 + 40 + 1, 0xf0)]),
    ("body-in-the-table", &[(4176, 0x80)]),
    ("block-number", &[(8192 + 24, 7)]),
];

fn options() -> WriterOptions {
    WriterOptions {
        block_bytes: 64 << 10,
        body_bytes: 512,
        notes: "seed".to_owned(),
        durable: false,
        ..WriterOptions::default()
    }
}

/// A record whose fragments lie in three blocks, between two whole records.
fn spanning(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut writer = CaptureWriter::create(path, options())?;
    let record =
        Record { timestamp_ns: 7, subject: "s", reply: None, headers: None, payload: &[b'x'; 60] };
    writer.append(&record)?;
    let mut encoded = Vec::new();
    record.encode(&mut encoded)?;
    for (number, part) in encoded.chunks(30).enumerate() {
        let body = encode_fragment(encoded.len() as u64, number as u64 * 30, part);
        let body = Bytes::from(body).slice(MAX_HEADER..);
        writer.append_body(Kind::Fragment, &body, Digest::None)?;
        writer.sync()?;
    }
    writer.append(&record)?;
    finish(writer)
}

fn finish(writer: CaptureWriter) -> Result<(), Box<dyn Error>> {
    writer.finish(Ending { dropped: 1, notes: "end".to_owned() })?;
    Ok(())
}

/// The file, and the file without its footer.
fn keep(folder: &Path, name: &str, file: &[u8]) -> std::io::Result<()> {
    fs::write(folder.join(name), swp_fuzz::compact(file))?;
    let cut = &file[..file.len().saturating_sub(100) / 4096 * 4096];
    fs::write(folder.join(format!("{name}-cut")), swp_fuzz::compact(cut))
}

fn write(folder: &Path, name: &str, mode: u8, input: &[u8]) -> std::io::Result<()> {
    fs::write(folder.join(name), [&[mode], input].concat())
}
