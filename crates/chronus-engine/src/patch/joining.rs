//! Cables that can only be a mistake, by what their ports mean ([`SignalKind::mistake`]).

use chronus_dsp::{PortSpec, SignalKind};

/// An end of a cable: the id of its module, its port, and all ports on that side of the module.
pub(super) struct End<'a> {
    id: &'a str,
    port: &'static PortSpec,
    ports: &'static [PortSpec],
}

impl<'a> End<'a> {
    pub fn new(id: &'a str, ports: &'static [PortSpec], port: &'static PortSpec) -> Self {
        Self { id, port, ports }
    }
}

/// What is wrong with a cable from an output to an input, and what would be right, if it can only be a
/// mistake.
pub(super) fn mistake(from: &End<'_>, to: &End<'_>) -> Option<(String, String)> {
    let (is, wanted) = (from.port.signal, to.port.signal);
    let reason = is.mistake(wanted)?;
    let found = format!(
        "`{}.{}` is a {}, and `{}.{}` takes a {}: {reason}",
        from.id,
        from.port.name,
        is.name(),
        to.id,
        to.port.name,
        wanted.name()
    );
    // What opens and closes also rises, and what rises also opens.
    let instead = [wanted, SignalKind::Gate, SignalKind::Trigger].into_iter();
    let mut instead = instead.filter_map(|signal| {
        let port = from.ports.iter().find(|port| port.signal == signal)?;
        Some(format!("connect `{}.{}` instead", from.id, port.name))
    });
    let right = instead.next().unwrap_or_else(|| {
        let name = wanted.name();
        format!("connect the {name} of what plays the notes (an `offset` makes one of any signal)")
    });
    Some((found, right))
}
