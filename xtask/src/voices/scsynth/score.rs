//! The score that a server plays without real time: OSC messages, each in a bundle of its own.

/// An OSC message of a score.
pub struct Message {
    types: String,
    address: &'static str,
    arguments: Vec<u8>,
}

impl Message {
    /// A message without arguments.
    pub fn new(address: &'static str) -> Self {
        Self { types: ",".into(), address, arguments: Vec::new() }
    }

    pub fn int(mut self, value: i32) -> Self {
        self.types.push('i');
        self.arguments.extend(value.to_be_bytes());
        self
    }

    pub fn float(mut self, value: f32) -> Self {
        self.types.push('f');
        self.arguments.extend(value.to_be_bytes());
        self
    }

    pub fn text(mut self, value: &str) -> Self {
        self.types.push('s');
        self.arguments.extend(padded(value));
        self
    }

    pub fn blob(mut self, value: &[u8]) -> Self {
        self.types.push('b');
        self.arguments.extend((value.len() as i32).to_be_bytes());
        self.arguments.extend(value);
        self.arguments.resize(self.arguments.len().next_multiple_of(4), 0);
        self
    }

    /// As an entry of a score: length, bundle, time, and the message with its own length.
    pub fn at(self, seconds: f64) -> Vec<u8> {
        let message = [padded(self.address), padded(&self.types), self.arguments].concat();
        let mut bundle = b"#bundle\0".to_vec();
        bundle.extend(((seconds * 4_294_967_296.0) as u64).to_be_bytes());
        bundle.extend((message.len() as i32).to_be_bytes());
        bundle.extend(message);
        [&(bundle.len() as i32).to_be_bytes()[..], &bundle].concat()
    }
}

fn padded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize((bytes.len() + 1).next_multiple_of(4), 0);
    bytes
}
