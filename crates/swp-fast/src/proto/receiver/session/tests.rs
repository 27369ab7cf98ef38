use super::*;
use crate::proto::receiver::tests::{accepted, header, packed_body, seq};
use crate::wire::Kind;

fn session(syn_ack: &SynAck) -> Session {
    Session::new(&header(0, Kind::SynAck, b""), syn_ack)
}

fn listened(session: &Session) -> Vec<u32> {
    generations(session.generation(), session.is_moving()).collect()
}

fn probe(generation: u32) -> Probe {
    Probe { peer: None, number: 1, next: seq(0), consumers: 1, generation }
}

#[test]
fn a_session_owns_the_frames_of_its_id_and_epoch() {
    let session = session(&accepted(0, 0));
    let own = header(5, Kind::Data, b"");
    assert!(session.owns(&own) && !session.is_restarted_by(&own));
    let later = Header { epoch: own.epoch + 1, ..own };
    assert!(!session.owns(&later) && session.is_restarted_by(&later));
    let earlier = Header { epoch: own.epoch - 1, ..own };
    assert!(!session.owns(&earlier) && !session.is_restarted_by(&earlier));
    let other = Header { session: SessionId(1), epoch: own.epoch + 1, ..own };
    assert!(!session.owns(&other) && !session.is_restarted_by(&other));
}

#[test]
fn bodies_need_the_digest_and_the_size_that_were_agreed() {
    let body = packed_body(&[b"message"]);
    let session = session(&SynAck { max_body_bytes: body.len() as u32, ..accepted(0, 0) });
    let frame = Frame { header: header(0, Kind::Data, &body), body: body.clone() };
    assert!(session.allows_body(&frame));
    let bare = Header { digest: Integrity::None.digest(&body), ..frame.header };
    assert!(!session.allows_body(&Frame { header: bare, body }));
    let body = packed_body(&[b"message+"]);
    assert!(!session.allows_body(&Frame { header: header(0, Kind::Data, &body), body }));
}

#[test]
fn only_a_pacing_consumer_of_the_group_needs_no_reserve() {
    for (paces, generation, reserve) in [(true, 1, 0), (false, 1, 1_000), (true, 0, 1_000)] {
        let session = session(&SynAck { paces, generation, ..accepted(0, 0) });
        assert_eq!(session.reserve_bytes(), reserve, "{paces} {generation}");
    }
}

#[test]
fn the_generation_before_is_listened_to_until_a_probe_of_the_newest() {
    let mut session = session(&SynAck { generation: 4, ..accepted(0, 0) });
    assert_eq!(listened(&session), [1, 3, 4]);
    session.handle_probe(&probe(3));
    assert_eq!(listened(&session), [1, 3, 4]);
    session.handle_probe(&probe(4));
    assert_eq!(listened(&session), [1, 4]);
    session.handle_syn_ack(&SynAck { generation: 5, ..accepted(0, 0) });
    assert_eq!(listened(&session), [1, 4, 5]);
}

#[test]
fn an_older_syn_ack_does_not_move_the_generation_back() {
    let mut session = session(&SynAck { generation: 4, ..accepted(0, 0) });
    session.handle_probe(&probe(4));
    session.handle_syn_ack(&SynAck { generation: 3, ..accepted(0, 0) });
    assert_eq!(listened(&session), [1, 4]);
}

#[test]
fn a_consumer_that_is_far_behind_listens_to_no_generation() {
    assert!(listened(&session(&SynAck { generation: 0, ..accepted(0, 0) })).is_empty());
    assert_eq!(generations(1, false).collect::<Vec<_>>(), [1]);
    assert_eq!(generations(2, true).collect::<Vec<_>>(), [1, 2]);
}
