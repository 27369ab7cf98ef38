use super::*;

fn completed(session: u64, messages: u64) -> Event {
    Event::Completed { session, messages, bytes: messages * 10, counters: Counters::new() }
}

#[test]
fn a_session_that_is_not_whole_everywhere_is_a_loss() {
    let mut tally = Tally::default();
    for session in 0..3 {
        tally.take("p", "s", true, completed(session, 100));
        tally.take("whole", "s", false, completed(session, 100));
        tally.take("elsewhere", "t", false, Event::Begun);
    }
    assert_eq!(tally.losses(), Vec::<String>::new());
    tally.take("short", "s", false, completed(0, 100));
    tally.take("short", "s", false, completed(1, 99));
    let losses = tally.losses();
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert!(losses[0].contains("session 1") && losses[1].contains("session 2"), "{losses:?}");
}

#[test]
fn what_is_wrong_is_a_problem_and_what_ended_is_an_error() {
    let mut tally = Tally::default();
    let what = "another".to_owned();
    tally.take("c", "s", false, Event::Wrong { session: 1, message: 2, what });
    let error = "lost".to_owned();
    tally.take("c", "s", false, Event::Ended { session: 1, messages: 2, error });
    assert_eq!((tally.problems.len(), tally.errors.len()), (1, 1));
    assert_eq!((tally.nodes()[0].wrong, tally.nodes()[0].ended), (1, 1));
}
