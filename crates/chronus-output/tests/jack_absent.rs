//! Guarantee: without a JACK server, or without its library, the error says so and what to do. Apart from the
//! other tests of JACK, since libjack knows one server per process.

use chronus_output::{Options, OutputError, OutputSpec, connect};

#[test]
fn a_server_that_is_not_there_is_absent_and_says_what_to_do() {
    let options = Options { jack_server: Some("chronus-no-such".into()), ..Options::default() };
    let error = connect(&OutputSpec::Jack, &options).err().unwrap();
    assert!(matches!(error, OutputError::Absent { .. }), "{error}");
    assert!(error.to_string().contains("pw-jack"), "{error}");
}
