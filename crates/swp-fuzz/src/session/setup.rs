//! A world at the start: small windows and short time-outs, so that their bounds are often reached.

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use swp_fast::proto::{Receiver, Sender, SenderIds};
use swp_fast::time::Time;
use swp_fast::wire::{Integrity, Key, PeerId, Sealer, SessionId};
use swp_fast::{LateJoin, PublishConfig, SubscribeConfig, UnackedLimit};

use super::apps::Producer;
use super::{Consumer, QUEUE_FRAMES, ReadAs, Trust, World};

/// The frames that the bus queues for a consumer: more than any window here and its reserve.
const CAPACITY: u64 = 256;

/// The longest message: several frames of the sizes here.
const MAX_MESSAGE: u64 = 2048;

impl World {
    pub(super) fn new(u: &mut Unstructured<'_>) -> arbitrary::Result<World> {
        let trust = *u.choose(&[Trust::Honest, Trust::Keyed, Trust::Forged])?;
        let keyed = trust == Trust::Keyed || (trust == Trust::Forged && bool::arbitrary(u)?);
        let config = publish_config(u, keyed)?;
        let now = Time::from_nanos(1_000_000_000);
        let ids = SenderIds { session: SessionId(0x5e55), epoch: 3, inbox: PeerId(0x1b0) };
        let sender = Sender::new(config.clone(), ids, now).expect("a valid configuration");
        let producer = Producer::new(&config);
        let count = u.int_in_range(1..=config.max_consumers)?;
        let consumers = (0..count)
            .map(|index| consumer(u, &config, PeerId(0xc0 + index as u64), now))
            .collect::<arbitrary::Result<Vec<_>>>()?;
        Ok(World {
            trust,
            now,
            sealer: Sealer::new(config.key.clone()),
            ids,
            config,
            sender,
            consumers,
            up: VecDeque::new(),
            log: VecDeque::new(),
            producer,
            sent: Vec::new(),
            lost: false,
        })
    }
}

fn publish_config(u: &mut Unstructured<'_>, keyed: bool) -> arbitrary::Result<PublishConfig> {
    let mut config = PublishConfig::default();
    config.key = keyed.then(|| Key::from_bytes([9; 32]));
    if !keyed {
        config.integrity = *u.choose(&[Integrity::Blake3, Integrity::Crc32c, Integrity::None])?;
    }
    config.frame_bytes = 256 + usize::from(u8::arbitrary(u)?);
    config.queue_bytes = config.frame_bytes * QUEUE_FRAMES;
    config.retained_frames = u.int_in_range(1..=16)?;
    config.retained_bytes = config.frame_bytes as u64 * u.int_in_range(1..=16)?;
    config.max_message_bytes = MAX_MESSAGE;
    config.max_consumers = u.int_in_range(1..=3)?;
    config.min_consumers = u.int_in_range(1..=config.max_consumers)?;
    config.late_join = *u.choose(&[LateJoin::Refuse, LateJoin::FromNow])?;
    config.keep_alive = Duration::from_millis(*u.choose(&[20, 100, 1000])?);
    config.idle_timeout = config.keep_alive * u.int_in_range(3..=10)?;
    config.claim_timeout = Duration::from_millis(*u.choose(&[0, 200])?);
    if u.ratio(1, 8)? {
        let frames = u.int_in_range(4..=40)?;
        config.unacked_limit = Some(UnackedLimit { frames, within: config.keep_alive * 2 });
    }
    Ok(config)
}

fn consumer(
    u: &mut Unstructured<'_>,
    publisher: &PublishConfig,
    id: PeerId,
    now: Time,
) -> arbitrary::Result<Consumer> {
    let mut config = SubscribeConfig::default();
    config.name = "consumer".to_owned();
    config.key = publisher.key.clone();
    config.window_frames = u.int_in_range(1..=32)?;
    config.window_bytes = publisher.frame_bytes as u64 * u.int_in_range(1..=16)?;
    config.max_message_bytes = MAX_MESSAGE;
    let receiver = Receiver::new(config.clone(), id, CAPACITY, now).expect("a valid configuration");
    // Taken from an option, so that scripts need not spend a byte on this.
    let read_as = [ReadAs::Messages, ReadAs::Batches, ReadAs::Frames];
    let read_as = read_as[config.window_frames as usize % read_as.len()];
    Ok(Consumer { id, receiver, link: VecDeque::new(), read_as, next: None, config })
}
