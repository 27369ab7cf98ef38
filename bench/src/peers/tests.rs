use swp_fast::wire::Integrity;

use super::{Peer, System, read};

#[test]
fn every_byte_is_read() {
    let mut message = [0_u8; 19];
    assert_eq!(read(&message), 0);
    for position in 0..message.len() {
        message[position] = 1;
        assert_ne!(read(&message), 0, "byte {position}");
        message[position] = 0;
    }
}

#[test]
fn swp_takes_part_once_an_integrity() {
    let both = [Integrity::Blake3, Integrity::Crc32c];
    let systems = System::all(&[Peer::Raw, Peer::Swp, Peer::Replay], &both);
    let labels: Vec<String> = systems.iter().map(|system| system.label()).collect();
    assert_eq!(labels, ["raw", "swp blake3", "swp crc32c", "replay"]);
}

#[test]
fn what_exceeds_a_server_s_payload_is_for_some_only() {
    assert!(Peer::Raw.takes(512 << 10) && !Peer::Raw.takes(16 << 20));
    assert!(Peer::Swp.takes(16 << 20));
}
