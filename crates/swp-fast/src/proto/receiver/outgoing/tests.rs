use super::*;
use crate::wire::{FinAck, Header, PeerId};

const FIN_ACK: Control = Control::FinAck(FinAck { peer: PeerId(9) });

fn header(transmit: &Transmit) -> Header {
    assert_eq!(transmit.to, Dest::Publisher);
    Sealer::default().open(&transmit.frame).expect("it opens").header
}

#[test]
fn control_frames_carry_the_session_and_ascending_sequence_numbers() {
    let mut outgoing = Outgoing::new(Sealer::default());
    let mut seqs = Vec::new();
    for epoch in [1, 1, 2] {
        outgoing.begin_session(SessionId(7), epoch);
        let header = header(&outgoing.seal(&FIN_ACK));
        assert_eq!((header.session, header.epoch), (SessionId(7), epoch));
        seqs.push(header.seq.get());
    }
    assert_eq!(seqs, [1, 2, 3]);
}

#[test]
fn a_syn_names_the_consumer_in_place_of_a_session() {
    let mut outgoing = Outgoing::new(Sealer::default());
    outgoing.begin_session(SessionId(7), 3);
    let syn = Syn {
        peer: PeerId(9),
        name: String::new(),
        tag: String::new(),
        window_frames: 1,
        window_bytes: 1,
        max_message_bytes: 1,
        resume: None,
    };
    let header = header(&outgoing.seal_syn(syn));
    assert_eq!((header.session, header.epoch, header.seq), (SessionId(9), 0, Seq::ZERO));
}

#[test]
fn queued_frames_leave_in_order() {
    let mut outgoing = Outgoing::new(Sealer::default());
    assert!(outgoing.is_empty() && outgoing.pop().is_none());
    outgoing.push(&FIN_ACK);
    outgoing.push(&FIN_ACK);
    let seqs: Vec<u64> =
        std::iter::from_fn(|| outgoing.pop()).map(|transmit| header(&transmit).seq.get()).collect();
    assert_eq!((seqs, outgoing.is_empty()), (vec![1, 2], true));
}
