//! What in a patch can be played: module names to indices, and what is wrong with a name that
//! isn't there.

use chronus_dsp::{ModuleSpec, ParamSpec, TextSpec};
use thiserror::Error;

use crate::command::{Handle, ParamIndex};
use crate::names;
use crate::patch::Patch;

/// The modules of a patch by name.
#[derive(Clone, Debug)]
pub struct Directory {
    modules: Vec<ModuleEntry>,
}

/// One module of a patch, as a player sees it.
#[derive(Clone, Debug)]
pub struct ModuleEntry {
    /// Its name in the patch.
    pub id: String,
    /// What commands call it.
    pub handle: Handle,
    /// What it is.
    pub spec: &'static ModuleSpec,
}

/// Why a name leads nowhere; each says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// No module has this id.
    #[error("there is no module `{id}`; {instead}")]
    UnknownModule {
        /// What was asked for.
        id: String,
        /// What would be right.
        instead: String,
    },
    /// The module has no such parameter.
    #[error("module `{module}` has no parameter `{param}`; {instead}")]
    UnknownParam {
        /// The module.
        module: String,
        /// What was asked for.
        param: String,
        /// What would be right.
        instead: String,
    },
    /// The module has no such text.
    #[error("module `{module}` has no text `{text}`; {instead}")]
    UnknownText {
        /// The module.
        module: String,
        /// What was asked for.
        text: String,
        /// What would be right.
        instead: String,
    },
    /// The module takes no notes.
    #[error("module `{module}` takes no notes; {instead}")]
    NoNotes {
        /// The module.
        module: String,
        /// What would be right.
        instead: String,
    },
    /// The module has no gate.
    #[error("module `{module}` has no gate; {instead}")]
    NoGate {
        /// The module.
        module: String,
        /// What would be right.
        instead: String,
    },
}

impl Directory {
    /// The directory of a patch.
    pub fn of(patch: &Patch) -> Self {
        let modules = patch
            .modules()
            .iter()
            .map(|module| ModuleEntry {
                id: module.id().to_owned(),
                handle: module.handle(),
                spec: module.spec(),
            })
            .collect();
        Self { modules }
    }

    /// All modules in the order of the patch.
    pub fn modules(&self) -> impl Iterator<Item = &ModuleEntry> + Clone {
        self.modules.iter()
    }

    /// The module with this id.
    ///
    /// # Errors
    /// If there is none.
    pub fn module(&self, id: &str) -> Result<&ModuleEntry, LookupError> {
        self.modules().find(|module| module.id == id).ok_or_else(|| LookupError::UnknownModule {
            id: id.to_owned(),
            instead: names::instead(id, "modules", self.modules().map(|module| module.id.as_str())),
        })
    }

    /// The parameter `param` of the module with this id.
    ///
    /// # Errors
    /// If there is no such module, or it has no such parameter.
    pub fn param(
        &self,
        id: &str,
        param: &str,
    ) -> Result<(Handle, ParamIndex, &'static ParamSpec), LookupError> {
        let module = self.module(id)?;
        let (index, spec) = module.param(param)?;
        Ok((module.handle, index, spec))
    }

    /// The module with this id, which has a gate.
    ///
    /// # Errors
    /// If there is no such module, or it has no gate.
    pub fn gate(&self, id: &str) -> Result<Handle, LookupError> {
        let module = self.module(id)?;
        if module.has_gate() {
            return Ok(module.handle);
        }
        let gated = self.modules().filter(|module| module.has_gate());
        let gated = names::list(gated.map(|module| module.id.as_str()));
        let instead = format!("modules with a gate: {gated}");
        Err(LookupError::NoGate { module: id.to_owned(), instead })
    }
}

impl Directory {
    /// The module with this id, which takes notes.
    ///
    /// # Errors
    /// If there is no such module, or it takes no notes.
    pub fn notes(&self, id: &str) -> Result<Handle, LookupError> {
        let module = self.module(id)?;
        if module.takes_notes() {
            return Ok(module.handle);
        }
        let others = self.modules().filter(|module| module.takes_notes());
        let others = names::list(others.map(|module| module.id.as_str()));
        let instead = format!("modules that do: {others}");
        Err(LookupError::NoNotes { module: id.to_owned(), instead })
    }
}

impl ModuleEntry {
    /// Its parameter of this name.
    ///
    /// # Errors
    /// If it has none.
    pub fn param(&self, name: &str) -> Result<(ParamIndex, &'static ParamSpec), LookupError> {
        let params = self.spec.params;
        match params.iter().position(|param| param.name == name) {
            Some(i) => Ok((ParamIndex(i as u16), &params[i])),
            None => Err(LookupError::UnknownParam {
                module: self.id.clone(),
                param: name.to_owned(),
                instead: self.elsewhere("text", "seq", name, self.text_names()).unwrap_or_else(
                    || names::instead(name, "parameters", params.iter().map(|param| param.name)),
                ),
            }),
        }
    }

    /// Its text of this name.
    ///
    /// # Errors
    /// If it has none.
    pub fn text(&self, name: &str) -> Result<(u8, &'static TextSpec), LookupError> {
        let texts = self.spec.texts;
        match texts.iter().position(|text| text.name == name) {
            Some(i) => Ok((i as u8, &texts[i])),
            None => Err(LookupError::UnknownText {
                module: self.id.clone(),
                text: name.to_owned(),
                instead: self
                    .elsewhere("parameter", "mod", name, self.param_names())
                    .unwrap_or_else(|| {
                        names::instead(name, "texts", texts.iter().map(|text| text.name))
                    }),
            }),
        }
    }

    fn param_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.spec.params.iter().map(|param| param.name)
    }

    fn text_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.spec.texts.iter().map(|text| text.name)
    }

    /// Where a name was meant to be sent that is no parameter but a text, or the other way round.
    fn elsewhere(
        &self,
        what: &str,
        way: &str,
        name: &str,
        mut others: impl Iterator<Item = &'static str>,
    ) -> Option<String> {
        let is_there = others.any(|other| other == name);
        is_there
            .then(|| format!("it has a {what} of this name: send it to /{way}/{}/{name}", self.id))
    }

    /// The names of the values that it tells; empty for most.
    pub fn meters(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let spec = self.spec;
        spec.meters.iter().map(|output| spec.outputs[*output].name)
    }

    /// Whether it takes notes.
    pub fn takes_notes(&self) -> bool {
        self.spec.notes
    }

    /// Whether it has a gate.
    pub fn has_gate(&self) -> bool {
        self.spec.gate
    }
}
