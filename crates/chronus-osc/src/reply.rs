//! Answers, and how a client reads them.

use rosc::{OscMessage, OscPacket, OscType, encoder};

use crate::shortened::{shortened, shortened_word};

/// The largest UDP payload over IPv4.
pub const MOST_DATAGRAM_BYTES: usize = 65_507;
/// A figure of the status.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A measured figure.
    Figure(f64),
    /// A word.
    Text(String),
}

/// `/status.reply`: names and values in turn, at last "json" and all of it.
pub fn status_reply(fields: &[(String, Value)], json: &str) -> Vec<u8> {
    let mut args = arguments(fields);
    args.push(OscType::String("json".into()));
    args.push(OscType::String(json.to_owned()));
    packet("/status.reply", args)
}

/// `/record.reply`: names and values in turn.
pub fn record_reply(fields: &[(String, Value)]) -> Vec<u8> {
    packet("/record.reply", arguments(fields))
}

/// `/event/NAME`, and what there is to say about it.
pub fn event(name: &str, values: &[Value]) -> Vec<u8> {
    packet(&format!("/event/{name}"), values.iter().map(argument).collect())
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

/// `/meter.reply ID`, then names and values in turn.
pub fn meter_reply(id: &str, names: &[&str], values: [f32; 2]) -> Vec<u8> {
    let mut args = vec![OscType::String(id.to_owned())];
    for (name, value) in names.iter().zip(values) {
        args.extend([OscType::String((*name).to_owned()), OscType::Float(value)]);
    }
    packet("/meter.reply", args)
}

/// `/fail ADDRESS REASON`.
pub fn fail(address: &str, reason: &str) -> Vec<u8> {
    packet("/fail", vec![shortened_word(address).into(), shortened(reason).into()])
}

/// `/done ADDRESS`, then what is to be told.
pub fn done(address: &str, told: &str) -> Vec<u8> {
    let mut args = vec![OscType::String(shortened_word(address))];
    if !told.is_empty() {
        args.push(OscType::String(shortened(told)));
    }
    packet("/done", args)
}

/// `/wait ADDRESS REASON`: the answer follows.
pub fn wait(address: &str, reason: &str) -> Vec<u8> {
    packet("/wait", vec![shortened_word(address).into(), shortened(reason).into()])
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
            for answer in [fail(&long, &reason), done(&long, &reason), wait(&long, &reason)] {
                assert!(answer.len() < MOST_DATAGRAM_BYTES, "{} bytes", answer.len());
                let reply = parse_reply(&answer).expect("an answer");
                let OscType::String(told) = &reply.args[1] else { panic!("{reply:?}") };
                assert!(told.starts_with("a module can't be called `") && told.contains('…'));
                assert!(told.ends_with("write 1 to 64 letters"), "{letter:?}");
            }
        }
    }
}
