//! Where an engine listens: `--osc`, the variables of the environment, or the address that everybody uses.

use std::net::{SocketAddr, ToSocketAddrs as _};

/// Where an engine listens, as a command line or the environment says.
pub const HOST: &str = "CHRONUS_OSC_HOST";
/// Its port.
pub const PORT: &str = "CHRONUS_OSC_PORT";

/// The engine's OSC port: as given, or by the environment, or 127.0.0.1:5005.
///
/// # Errors
/// A sentence, if the variables make no address.
pub fn osc_address(given: Option<SocketAddr>) -> Result<SocketAddr, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let (host, port) = (variable(HOST, "127.0.0.1"), variable(PORT, "5005"));
    parse(&format!("{host}:{port}"))
        .map_err(|error| format!("{HOST}={host} and {PORT}={port} make no address: {error}"))
}

/// Reads `ADDR:PORT`, where ADDR may be a name such as `localhost`.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.parse::<u16>().is_ok() {
        return Err(format!("an address and a port are wanted; write 127.0.0.1:{text}"));
    }
    let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if name.is_empty() || name.ends_with(':') || port.parse::<u16>().is_err() {
        return Err("this is no address with a port; write it as in 127.0.0.1:5005, \
                    localhost:5005 or [::1]:5005"
            .into());
    }
    let unknown = |why: String| {
        format!("`{name}` can't be found ({why}); write a numeric address, as in 127.0.0.1:{port}")
    };
    let found = text.to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    // Where a name has several addresses, clients and engines must agree on one.
    let first = found.min_by_key(SocketAddr::is_ipv6);
    first.ok_or_else(|| unknown("it has no address".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        let here = SocketAddr::from(([127, 0, 0, 1], 21_001));
        assert_eq!(parse("127.0.0.1:21001"), Ok(here));
        assert_eq!(parse("localhost:21001").map(|found| found.port()), Ok(21_001));
        assert!(parse("localhost:21001").is_ok_and(|found| found.ip().is_loopback()));
        assert_eq!(parse("[::1]:5").map(|found| found.is_ipv6()), Ok(true));
    }

    #[test]
    fn what_is_no_address_is_told_how_to_write_it() {
        for (text, wanted) in [
            ("21001", "write 127.0.0.1:21001"),
            ("localhost", "write it as in 127.0.0.1:5005"),
            ("::1", "[::1]:5005"),
            (":5005", "write it as in 127.0.0.1:5005"),
            ("127.0.0.1:70000", "write it as in 127.0.0.1:5005"),
            ("no such host:5005", "write a numeric address, as in 127.0.0.1:5005"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
