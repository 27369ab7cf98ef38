use super::*;

#[test]
fn subjects_are_checked_before_anything_is_connected() {
    for good in ["a", "a.b", "*", ">", "a.*.c", "a.>", "flights.JFK.*"] {
        assert!(check_subject(good).is_ok(), "{good}");
    }
    for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.>.b", "a*", "a.b>", "a\tb"] {
        assert!(check_subject(bad).is_err(), "{bad}");
    }
}

#[test]
fn notes_keep_within_their_bound() {
    let long: Vec<String> = (0..2000).map(|number| format!("é{number}")).collect();
    assert!(notes(&long).len() <= swp_replay::capture::format::MAX_NOTES);
    assert_eq!(notes(&["a.>".to_owned()]), "recorded from a.>");
}
