//! Who asks: an address that only the adapter understands, and what it may do.

/// A client as words: its adapter, then its address there.
pub const CLIENT_WORDS: usize = 16;

/// As many adapters there may be that are processes of their own.
pub const ADAPTERS_MOST: usize = 4;

/// Who asks, and is answered. The address means something to the adapter alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    /// The number of the adapter.
    pub adapter: u8,
    /// The address of the client there.
    pub address: [u64; CLIENT_WORDS - 1],
}

impl ClientId {
    /// As words, for shared memory.
    pub fn to_words(&self) -> [u64; CLIENT_WORDS] {
        let mut words = [u64::from(self.adapter); CLIENT_WORDS];
        words[1..].copy_from_slice(&self.address);
        words
    }

    /// Reads [`to_words`](Self::to_words) back; `None` if there is no such adapter.
    pub fn from_words(words: &[u64; CLIENT_WORDS]) -> Option<Self> {
        let mut address = [0; CLIENT_WORDS - 1];
        address.copy_from_slice(&words[1..]);
        Some(Self { adapter: u8::try_from(words[0]).ok()?, address })
    }
}

/// What a client may do. Whoever may nothing of it may still ask how things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Play: parameters, gates, notes, texts, musical time, recordings.
    pub play: bool,
    /// Change the patch, and load and save it.
    pub edit: bool,
    /// Cause faults.
    pub chaos: bool,
}

impl Capabilities {
    /// Everything.
    pub const ALL: Self = Self { play: true, edit: true, chaos: true };
    /// Nothing but to ask.
    pub const NONE: Self = Self { play: false, edit: false, chaos: false };

    /// Words for all that is granted, as in `play,edit`; `none` for nothing.
    ///
    /// # Errors
    /// A sentence, if a word is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut granted = Self::NONE;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "play" => granted.play = true,
                "edit" => granted.edit = true,
                "chaos" => granted.chaos = true,
                "none" => {}
                other => {
                    return Err(format!(
                        "`{other}` is nothing that can be granted; give play, edit, chaos or none"
                    ));
                }
            }
        }
        Ok(granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_found_again_in_its_words() {
        let mut client = ClientId { adapter: 3, address: [7; CLIENT_WORDS - 1] };
        client.address[14] = 1;
        assert_eq!(ClientId::from_words(&client.to_words()), Some(client));
        let mut words = client.to_words();
        words[0] = 256;
        assert_eq!(ClientId::from_words(&words), None);
    }

    #[test]
    fn what_is_granted_is_read_and_mistakes_are_told() {
        assert_eq!(Capabilities::parse("play, edit,chaos"), Ok(Capabilities::ALL));
        assert_eq!(Capabilities::parse("none"), Ok(Capabilities::NONE));
        assert!(Capabilities::parse("plya").expect_err("no such").contains("play, edit, chaos"));
    }
}
