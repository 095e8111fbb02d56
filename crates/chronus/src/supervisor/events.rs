//! Events: what is told, without being asked again, to everybody who once asked for it.

use std::net::SocketAddr;

use chronus_osc::Value;

use super::Supervisor;
use crate::osc_server::Incoming;

/// As many may listen; the one who asked first makes way.
const LISTENERS_MOST: usize = 32;

/// Who listens.
#[derive(Debug, Default)]
pub struct Listeners(Vec<SocketAddr>);

impl Listeners {
    fn add(&mut self, who: SocketAddr) {
        self.remove(who);
        if self.0.len() == LISTENERS_MOST {
            self.0.remove(0);
        }
        self.0.push(who);
    }

    fn remove(&mut self, who: SocketAddr) {
        self.0.retain(|listener| *listener != who);
    }
}

impl Supervisor {
    /// Somebody wants to be told of events from now on, or not any more.
    pub(super) fn take_listener(&mut self, incoming: &Incoming, on: bool) {
        if on {
            self.listeners.add(incoming.from);
        } else {
            self.listeners.remove(incoming.from);
        }
        self.ears.replies.done(&incoming.address, "", incoming.from);
    }

    /// Tells everybody who listens.
    pub(super) fn tell(&self, event: &str, values: &[Value]) {
        for listener in &self.listeners.0 {
            self.ears.replies.event(event, values, *listener);
        }
    }
}
