//! Recordings for rendering in one process: read from files when they are asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chronus_engine::{ContentDigest, Patch, PatchModule, Recording, Recordings};

use crate::content::allowed::Allowed;
use crate::content::{self, Content, Limit, kept};

/// Where recordings are found, by what they hold; those of old journals by their names.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    read: BTreeMap<ContentDigest, Content>,
    files: BTreeMap<ContentDigest, PathBuf>,
    /// Where names count from, where nothing else is known of a recording.
    pub folder: PathBuf,
}

impl Sources {
    /// Those of a patch, all read, and the patch that knows them; their names count from `folder`. What is to be told
    /// of them is put into `remarks`.
    ///
    /// # Errors
    /// A sentence about each that can't be had, on a line of its own.
    pub fn of_patch(
        patch: Patch,
        folder: &Path,
        allowed: &Allowed,
        remarks: &mut Vec<String>,
    ) -> Result<(Patch, Self), String> {
        let mut sources = Self { folder: folder.to_owned(), ..Self::default() };
        let mut names: BTreeMap<String, Option<ContentDigest>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for module in patch.modules().iter().filter(|module| module.plays_a_file()) {
            let file = module.file().unwrap_or_default();
            if names.contains_key(file) {
                continue;
            }
            let content = sources.read_file(file, allowed, remarks);
            names.insert(file.to_owned(), content.as_ref().ok().copied());
            wrong.extend(content.err());
        }
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let patch = patch.with_contents(|module| names.get(module.file()?).copied().flatten());
        Ok((patch, sources))
    }

    fn read_file(
        &mut self,
        name: &str,
        allowed: &Allowed,
        remarks: &mut Vec<String>,
    ) -> Result<ContentDigest, String> {
        let path = allowed.find(&self.folder, name)?;
        let found = content::read(&path, Limit::of(content::MEMORY_MIB << 20))?;
        remarks.extend(found.remarks(&path));
        let digest = found.content.digest();
        self.files.insert(digest, path);
        self.read.insert(digest, found.content);
        Ok(digest)
    }

    /// This content is kept in this file.
    pub fn add(&mut self, content: ContentDigest, file: PathBuf) {
        self.files.insert(content, file);
    }

    /// The same, with names that count from another folder.
    #[must_use]
    pub fn counted_from(&self, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..self.clone() }
    }

    /// Whether it is known where a content is.
    pub fn knows(&self, content: ContentDigest) -> bool {
        self.files.contains_key(&content)
    }

    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.values().map(PathBuf::as_path)
    }
}

impl Recordings for Sources {
    fn get(&self, module: &PatchModule) -> Option<Recording> {
        let content = match module.content().map(|content| (content, self.read.get(&content))) {
            Some((_, Some(read))) => read.clone(),
            Some((content, None)) => kept::read(self.files.get(&content)?, content).ok()?,
            None => {
                let path = self.folder.join(module.file()?);
                content::read(&path, Limit::of(u64::MAX)).ok()?.content
            }
        };
        let recording = content.recording();
        Some((module.spec().recording?.prepare)(recording))
    }
}
