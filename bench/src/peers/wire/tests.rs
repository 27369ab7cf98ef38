use super::Lines;

const STREAM: &[u8] = b"MSG bench.wire 1 3\r\nxxx\r\nPING\r\nMSG bench.wire 1 3\r\nMMP\r\n";

#[test]
fn messages_are_counted_wherever_a_read_ends() {
    for cut in 0..STREAM.len() {
        let mut lines = Lines::new(3);
        lines.take(&STREAM[..cut]).unwrap();
        lines.take(&STREAM[cut..]).unwrap();
        assert_eq!(lines.received, 2, "cut at {cut}");
    }
}

#[test]
fn an_error_is_no_message() {
    assert!(Lines::new(3).take(b"-ERR 'Slow Consumer'\r\n").is_err());
}
