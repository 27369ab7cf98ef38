use super::*;

fn reset(code: ResetCode) -> Error {
    let reset = ReceiverError::Reset { code, reason: "because".to_owned() };
    SubscribeError::Session(ReceiveError::Protocol(reset)).into()
}

/// A publisher may give up while a consumer is still being let in.
#[test]
fn a_publisher_that_gave_up_has_refused_nobody() {
    assert!(matches!(reset(ResetCode::Cancelled), Error::PeerLost(_)));
    assert!(matches!(reset(ResetCode::Refused), Error::Failed(said) if said.contains("because")));
}
