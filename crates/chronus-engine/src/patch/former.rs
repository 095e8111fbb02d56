//! Patches of before: what a parameter was where they say nothing, if that has changed since.

use toml_edit::{DocumentMut, Item, TableLike, value};

/// Kind, parameter, and its default up to version 5 of the journal.
const FORMER: &[(&str, &str, f64)] = &[
    ("sine", "freq", 440.0),
    ("saw", "freq", 440.0),
    ("pulse", "freq", 440.0),
    ("triangle", "freq", 440.0),
    ("supersaw", "freq", 440.0),
    ("wavetable", "freq", 440.0),
    ("biquad", "cutoff", 2000.0),
    ("svf", "cutoff", 1000.0),
    ("ladder", "cutoff", 1000.0),
    ("onepole", "cutoff", 1000.0),
    ("comb", "freq", 220.0),
    ("ring", "freq", 440.0),
    ("kick", "tune", 50.0),
    ("snare", "tune", 180.0),
    ("hat", "tune", 300.0),
    ("clap", "tone", 1100.0),
    ("tom", "tune", 110.0),
    ("rim", "tune", 1700.0),
    ("cowbell", "tune", 540.0),
    ("kick", "gain", 0.8),
    ("snare", "gain", 0.8),
    ("hat", "gain", 0.8),
    ("clap", "gain", 0.8),
    ("tom", "gain", 0.8),
    ("rim", "gain", 0.8),
    ("cowbell", "gain", 0.8),
    ("acid", "gain", 0.8),
];

/// The text of a patch in which the defaults of before stand written, so that it sounds as it did. What is no TOML
/// stays as it is.
pub fn with_former_defaults(text: &str) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return text.to_owned() };
    match document.get_mut("module") {
        Some(Item::ArrayOfTables(tables)) => tables.iter_mut().for_each(|table| write(table)),
        Some(Item::Value(toml_edit::Value::Array(tables))) => {
            let tables = tables.iter_mut().filter_map(toml_edit::Value::as_inline_table_mut);
            tables.for_each(|table| write(table));
        }
        _ => (),
    }
    document.to_string()
}

fn write(module: &mut dyn TableLike) {
    let kind = module.get("kind").and_then(Item::as_str).unwrap_or_default().to_owned();
    for (_, param, was) in FORMER.iter().filter(|(of, ..)| *of == kind) {
        if !module.contains_key(param) {
            module.insert(param, value(*was));
        }
    }
}

#[cfg(test)]
mod tests {
    use chronus_dsp::catalog;

    use super::{FORMER, with_former_defaults};
    use crate::patch::Patch;

    #[test]
    fn each_is_a_parameter_with_another_default_now() {
        for (kind, param, was) in FORMER {
            let spec = catalog::find(kind).expect("a kind").spec;
            let param = spec.params.iter().find(|it| it.name == *param).expect("a parameter");
            assert!((param.default - *was as f32).abs() > 1e-3, "{kind}.{}", param.name);
            assert_eq!(param.accept(*was as f32), Some(*was as f32));
        }
    }

    #[test]
    fn what_a_patch_says_stays_and_what_it_leaves_out_is_as_it_was() {
        let text = "format = 1\n# A comment.\n[[module]]\nid = \"a\"\nkind = \"sine\"\n[[module]]\nid = \"b\"\n\
                    kind = \"kick\"\ntune = 60 # low\n[output]\nleft = \"a.out\"\nright = \"b.out\"\n";
        let inline = "format = 1\nmodule = [{ id = \"a\", kind = \"sine\" }, { id = \"b\", kind = \"kick\", tune = 60 }]\n\
                      [output]\nleft = \"a.out\"\nright = \"b.out\"\n";
        for text in [text, inline] {
            let read = |text: &str| Patch::parse(text, "patch").expect("a patch");
            let (now, then) = (read(text), read(&with_former_defaults(text)));
            let param = |patch: &Patch, module: usize, param| {
                let module = &patch.modules()[module];
                let at = module.spec().params.iter().position(|it| it.name == param);
                module.params()[at.expect("a parameter")]
            };
            assert_eq!((param(&then, 0, "freq"), param(&then, 1, "gain")), (440.0, 0.8));
            assert_eq!([&now, &then].map(|patch| param(patch, 1, "tune")), [60.0; 2]);
            assert!((param(&now, 0, "freq") - 261.625_58).abs() < 1e-3);
        }
        assert!(with_former_defaults(text).contains("# A comment."));
        assert_eq!(with_former_defaults("no ] TOML"), "no ] TOML");
    }
}
