//! One patch after another: which modules of the new one are those of the old one.

use super::{Patch, PatchModule};
use crate::command::Handle;

impl Patch {
    /// This patch as the successor of `old`: a module with the id and the kind of one of `old` is that
    /// module, and has its handle; all others get handles that nobody has had.
    #[must_use]
    pub fn succeeding(mut self, old: &Self) -> Self {
        let mut next_handle = old.next_handle;
        for module in &mut self.modules {
            let same = old.modules.iter().find(|other| other.id == module.id);
            module.handle = match same {
                Some(other) if std::ptr::eq(other.entry, module.entry) => other.handle,
                _ => {
                    next_handle += 1;
                    Handle(next_handle - 1)
                }
            };
        }
        self.next_handle = next_handle;
        self
    }

    /// This patch with the text that it was read from, which bytes leave out.
    #[must_use]
    pub fn with_text(self, text: String) -> Self {
        Self { text, ..self }
    }

    /// For each module of this patch the position of the same module in `old`, if it can play on there as
    /// it is: with the same channels and the same recording.
    pub(crate) fn kept_from(&self, old: &Self) -> Vec<Option<usize>> {
        let mut by_handle: Vec<_> =
            old.modules.iter().enumerate().map(|(at, module)| (module.handle, at)).collect();
        by_handle.sort_unstable();
        let find = |module: &PatchModule| {
            let found =
                by_handle.binary_search_by_key(&module.handle, |(handle, _)| *handle).ok()?;
            let (_, at) = by_handle[found];
            old.modules[at].plays_on_as(module).then_some(at)
        };
        self.modules.iter().map(find).collect()
    }

    /// As bytes for the processes of this very program; the text is left out.
    ///
    /// # Panics
    /// Never: everything in a patch can be written.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a patch is plain data")
    }

    /// The patch that [`to_bytes`](Self::to_bytes) made these bytes of.
    ///
    /// # Errors
    /// If it did not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}

impl PatchModule {
    /// A recording is what it holds, whatever it is called: one that was changed makes another module, one that was
    /// only renamed does not. Where that was never found out, as in old journals, its name has to do.
    fn plays_on_as(&self, new: &Self) -> bool {
        let has_same_recording = match (self.content, new.content) {
            (None, None) => self.file == new.file,
            (before, now) => before == now,
        };
        (self.handle, self.channels) == (new.handle, new.channels)
            && std::ptr::eq(self.entry, new.entry)
            && has_same_recording
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::ContentDigest;

    fn patch(file: &str, content: Option<u8>) -> Patch {
        let text = format!(
            "format = 1\n[[module]]\nid = \"s\"\nkind = \"sample\"\nfile = \"{file}\"\n\
             [output]\nleft = \"s.left\"\nright = \"s.right\"\n"
        );
        let patch = Patch::parse(&text, "a.toml").unwrap_or_else(|error| panic!("{error}"));
        patch.with_contents(|_| content.map(|byte| ContentDigest([byte; 32])))
    }

    #[test]
    fn a_module_plays_on_with_what_its_recording_holds_and_not_with_what_it_is_called() {
        let stays = |old: &Patch, new: Patch| new.succeeding(old).kept_from(old) == [Some(0)];
        let old = patch("a.wav", Some(1));
        assert!(stays(&old, patch("a.wav", Some(1))));
        assert!(stays(&old, patch("b.wav", Some(1))), "only its name is another");
        assert!(!stays(&old, patch("a.wav", Some(2))), "only its name is the same");
        assert!(!stays(&old, patch("a.wav", None)));
        let unknown = patch("a.wav", None);
        assert!(stays(&unknown, patch("a.wav", None)), "as in journals of before");
        assert!(!stays(&unknown, patch("b.wav", None)));
        let read = Patch::from_bytes(&old.to_bytes()).expect("its own bytes");
        assert_eq!(read.modules()[0].content(), Some(ContentDigest([1; 32])), "workers know it");
    }
}
