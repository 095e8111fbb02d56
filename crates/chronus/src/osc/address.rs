//! Where an engine listens: `--osc`, the variables of the environment, or the address that everybody uses.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use chronus_os::peer::{PATH_BYTES_MOST, Peer, UnixName};

/// Where an engine listens, as a command line or the environment says.
pub const HOST: &str = "CHRONUS_OSC_HOST";
/// Its port.
pub const PORT: &str = "CHRONUS_OSC_PORT";
/// What a unix socket begins with, before its path.
const UNIX: &str = "unix:";

/// All that an engine listens at: one of each kind, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// A UDP port.
    pub udp: Option<SocketAddr>,
    /// A unix socket.
    pub unix: Option<UnixName>,
}

impl Places {
    /// As given, or by the environment, or 127.0.0.1:5005.
    ///
    /// # Errors
    /// A sentence, if the variables make no address, or if there are two of a kind.
    pub fn of(given: &[Peer]) -> Result<Self, String> {
        let mut places = Self::default();
        let default = if given.is_empty() { Some(osc_address(None)?) } else { None };
        for place in default.iter().chain(given) {
            let before = match *place {
                Peer::Ip(address) => places.udp.replace(address).map(Peer::Ip),
                Peer::Unix(name) => places.unix.replace(name).map(Peer::Unix),
            };
            if let Some(before) = before {
                return Err(format!(
                    "--osc {before} and --osc {place} are two of a kind; give one address, one unix:PATH, or one of each"
                ));
            }
        }
        Ok(places)
    }
}

/// Where the engine is: as given, or by the environment, or 127.0.0.1:5005.
///
/// # Errors
/// A sentence, if the variables make no address.
pub fn osc_address(given: Option<Peer>) -> Result<Peer, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let (host, port) = (variable(HOST, "127.0.0.1"), variable(PORT, "5005"));
    if host.starts_with(UNIX) {
        return parse(&host).map_err(|error| format!("{HOST}={host} makes no address: {error}"));
    }
    parse(&format!("{host}:{port}"))
        .map_err(|error| format!("{HOST}={host} and {PORT}={port} make no address: {error}"))
}

/// Reads `unix:PATH`, or `ADDR:PORT`, where ADDR may be a name such as `localhost`.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse(text: &str) -> Result<Peer, String> {
    if let Some(path) = text.strip_prefix(UNIX) {
        return unix(path).map(Peer::Unix);
    }
    if let Ok(address) = text.parse() {
        return Ok(Peer::Ip(address));
    }
    if text.parse::<u16>().is_ok() {
        return Err(format!("an address and a port are wanted; write 127.0.0.1:{text}"));
    }
    let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if name.is_empty() || name.ends_with(':') || port.parse::<u16>().is_err() {
        return Err("this is no address with a port; write it as in 127.0.0.1:5005, \
                    localhost:5005, [::1]:5005 or unix:/run/chronus/osc.sock"
            .into());
    }
    let unknown = |why: String| {
        format!("`{name}` can't be found ({why}); write a numeric address, as in 127.0.0.1:{port}")
    };
    let found = text.to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    // Where a name has several addresses, clients and engines must agree on one.
    let first = found.min_by_key(SocketAddr::is_ipv6);
    first.map(Peer::Ip).ok_or_else(|| unknown("it has no address".into()))
}

fn unix(path: &str) -> Result<UnixName, String> {
    if path.starts_with('@') {
        return Err("a name that begins with @ belongs to no user, so anybody could take it; give a path, as in \
                    unix:/run/chronus/osc.sock"
            .into());
    }
    UnixName::of_path(Path::new(path)).ok_or_else(|| {
        if path.is_empty() {
            "the path is missing; write it as in unix:/run/chronus/osc.sock".into()
        } else {
            let bytes = path.len();
            format!("the path has {bytes} bytes, and a socket's may have {PATH_BYTES_MOST}; give a shorter one")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        let here = Peer::Ip(([127, 0, 0, 1], 21_001).into());
        assert_eq!(parse("127.0.0.1:21001"), Ok(here));
        let Ok(Peer::Ip(local)) = parse("localhost:21001") else { panic!("it has an address") };
        assert!(local.port() == 21_001 && local.ip().is_loopback());
        assert!(matches!(parse("[::1]:5"), Ok(Peer::Ip(SocketAddr::V6(_)))));
        let unix = |path: &str| UnixName::of_path(Path::new(path)).map(Peer::Unix);
        assert_eq!(parse("unix:/run/a:5005").ok(), unix("/run/a:5005"));
        assert_eq!(parse("unix:a.sock").ok(), unix("a.sock"));
        let longest = "x".repeat(PATH_BYTES_MOST);
        assert_eq!(parse(&format!("unix:{longest}")).ok(), unix(&longest));
    }

    #[test]
    fn what_is_no_address_is_told_how_to_write_it() {
        let long = format!("unix:{}", "x".repeat(PATH_BYTES_MOST + 1));
        for (text, wanted) in [
            ("21001", "write 127.0.0.1:21001"),
            ("localhost", "write it as in 127.0.0.1:5005"),
            ("::1", "[::1]:5005"),
            (":5005", "write it as in 127.0.0.1:5005"),
            ("127.0.0.1:70000", "write it as in 127.0.0.1:5005"),
            ("no such host:5005", "write a numeric address, as in 127.0.0.1:5005"),
            ("unix:", "the path is missing"),
            ("unix:@chronus", "give a path"),
            (&long, "has 108 bytes, and a socket's may have 107"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn an_engine_listens_at_one_place_of_each_kind() {
        let [one, two, three] =
            ["127.0.0.1:1", "unix:/a", "unix:/b"].map(|text| parse(text).expect("an address"));
        let both = Places::of(&[one, two]).expect("one of each");
        assert!(both.udp.is_some() && both.unix.is_some());
        assert_eq!(Places::of(&[two, one]), Ok(both));
        let unix = Places::of(&[two]).expect("a unix socket alone");
        assert!(unix.udp.is_none() && unix.unix.is_some());
        for twice in [[one, one], [two, three]] {
            let error = Places::of(&twice).expect_err("two of a kind");
            assert!(error.contains("two of a kind"), "{error}");
        }
    }
}
