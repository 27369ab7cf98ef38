use bytes::Bytes;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::{Burst, damage};

#[test]
fn damage_always_changes_the_frame_and_never_its_version() {
    let mut rng = Pcg64::seed_from_u64(1);
    for len in [0, 1, 2, 3, 4, 40, 1_000] {
        let frame = Bytes::from((0..len).map(|at| at as u8).collect::<Vec<u8>>());
        for _ in 0..2_000 {
            let damaged = damage(&mut rng, &frame);
            assert_ne!(damaged, frame);
            let version = damaged.len().min(2).min(len);
            assert_eq!(damaged[..version], frame[..version]);
        }
    }
}

/// Both papers: the path is bad for enter / (enter + leave) of the frames, 1 / leave frames at a
/// time.
#[test]
fn bursts_are_as_frequent_and_as_long_as_they_say() {
    let burst = Burst { enter: 0.01, leave: 0.2, loss: 1.0 };
    let mut rng = Pcg64::seed_from_u64(2);
    let (mut bad, mut lost, mut bursts, mut before) = (false, 0, 0, false);
    let frames = 200_000;
    for _ in 0..frames {
        let now = burst.step(&mut rng, &mut bad);
        lost += u32::from(now);
        bursts += u32::from(now && !before);
        before = now;
    }
    let share = f64::from(lost) / f64::from(frames);
    assert!((share - 0.01 / 0.21).abs() < 0.005, "{share}");
    let length = f64::from(lost) / f64::from(bursts);
    assert!((length - 5.0).abs() < 0.3, "{length}");
}

#[test]
fn a_bad_path_may_let_some_through() {
    let burst = Burst { enter: 1.0, leave: 0.0, loss: 0.5 };
    let mut rng = Pcg64::seed_from_u64(3);
    let mut bad = false;
    let lost = (0..10_000).filter(|_| burst.step(&mut rng, &mut bad)).count();
    assert!((4_700..5_300).contains(&lost), "{lost}");
}
