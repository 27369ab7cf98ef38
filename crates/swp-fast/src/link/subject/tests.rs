use super::*;

#[test]
fn a_subject_is_the_text_that_it_was_made_of() {
    let owned = Subject::from("swp.data.größe".to_owned());
    assert_eq!(owned.as_str(), "swp.data.größe");
    assert_eq!(format!("{owned} {owned:?}"), "swp.data.größe \"swp.data.größe\"");
    assert_eq!(Subject::from_static("a.b"), Subject::from("a.b".to_owned()));
}
