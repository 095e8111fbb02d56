//! Answers, and how a client reads them.

use chronus_control::{self as control, Event, Value, shortened, shortened_word};
use rosc::{OscMessage, OscPacket, OscType, encoder};

/// The largest UDP payload over IPv4.
pub const MOST_DATAGRAM_BYTES: usize = 65_507;
/// What a client is told, as a packet. `about` is the address of its message.
pub fn encode(about: &str, reply: &control::Reply) -> Vec<u8> {
    match reply {
        control::Reply::Done(told) | control::Reply::Clamped(told) => done(about, told),
        control::Reply::Wait(reason) => {
            packet("/wait", vec![shortened_word(about).into(), shortened(reason).into()])
        }
        control::Reply::Failed(reason) => fail(about, reason),
        // Names and values in turn, at last "json" and all of it.
        control::Reply::Status { fields, json } => {
            let mut args = arguments(fields);
            args.extend(["json", json].map(OscType::from));
            packet("/status.reply", args)
        }
        control::Reply::Record(fields) => packet("/record.reply", arguments(fields)),
        control::Reply::Meter { module, values } => {
            let mut args = vec![OscType::String(module.clone())];
            for (name, value) in values {
                args.extend([OscType::String(name.clone()), OscType::Float(*value)]);
            }
            packet("/meter.reply", args)
        }
        // Nobody asks for these over OSC.
        control::Reply::Tree(_) | control::Reply::Ordered(_) => Vec::new(),
    }
}

/// `/event/NAME`, and what there is to say about it.
pub fn event(event: &Event) -> Vec<u8> {
    let values = event.values();
    packet(&format!("/event/{}", event.name()), values.iter().map(argument).collect())
}

fn arguments(fields: &[(String, Value)]) -> Vec<OscType> {
    let mut args = Vec::with_capacity(fields.len() * 2 + 2);
    for (name, value) in fields {
        args.push(OscType::String(name.clone()));
        args.push(argument(value));
    }
    args
}

fn argument(value: &Value) -> OscType {
    match value {
        Value::Count(count) => {
            i32::try_from(*count).map_or(OscType::Long(*count as i64), OscType::Int)
        }
        Value::Figure(figure) => OscType::Float(*figure as f32),
        Value::Text(text) => OscType::String(shortened(text)),
    }
}

/// `/fail ADDRESS REASON`.
pub fn fail(address: &str, reason: &str) -> Vec<u8> {
    packet("/fail", vec![shortened_word(address).into(), shortened(reason).into()])
}

/// `/done ADDRESS`, then what is to be told.
fn done(address: &str, told: &str) -> Vec<u8> {
    let mut args = vec![OscType::String(shortened_word(address))];
    if !told.is_empty() {
        args.push(OscType::String(shortened(told)));
    }
    packet("/done", args)
}

/// `/pong`, with the arguments of the ping.
pub fn pong(args: Vec<OscType>) -> Vec<u8> {
    packet("/pong", args)
}

/// `/version.reply NAME VERSION`.
pub fn version_reply(name: &str, version: &str) -> Vec<u8> {
    packet("/version.reply", vec![OscType::String(name.into()), OscType::String(version.into())])
}

fn packet(address: &str, args: Vec<OscType>) -> Vec<u8> {
    let message = OscMessage { addr: address.to_owned(), args };
    encoder::encode(&OscPacket::Message(message)).unwrap_or_default()
}

/// An answer as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its address.
    pub address: String,
    /// Its arguments.
    pub args: Vec<OscType>,
}

impl Reply {
    /// The string that follows the string `name` among the arguments.
    pub fn text_after(&self, name: &str) -> Option<&str> {
        let is_name = |arg: &OscType| matches!(arg, OscType::String(text) if text == name);
        match self.args.get(self.args.iter().position(is_name)? + 1)? {
            OscType::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads an answer; `None` if it is not one message.
pub fn parse_reply(packet: &[u8]) -> Option<Reply> {
    let (message, _) = crate::reading::read(packet).messages.pop()?;
    Some(Reply { address: message.addr, args: message.args })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_its_datagram_whatever_a_sender_made_up() {
        for letter in ["x", "ä", "🎹", " ", "x "] {
            let long = letter.repeat(100_000);
            let reason = format!("a module can't be called `{long}`; write 1 to 64 letters");
            let wait = encode(&long, &control::Reply::Wait(reason.clone()));
            for answer in [fail(&long, &reason), done(&long, &reason), wait] {
                assert!(answer.len() < MOST_DATAGRAM_BYTES, "{} bytes", answer.len());
                let reply = parse_reply(&answer).expect("an answer");
                let OscType::String(told) = &reply.args[1] else { panic!("{reply:?}") };
                assert!(told.starts_with("a module can't be called `") && told.contains('…'));
                assert!(told.ends_with("write 1 to 64 letters"), "{letter:?}");
            }
        }
    }
}
