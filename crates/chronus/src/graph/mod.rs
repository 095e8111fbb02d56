//! `chronus graph`: a patch as a picture.

mod columns;
mod draw;
mod layout;
mod levels;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use chronus_engine::Patch;
use chronus_engine::patch::TargetPort;

use crate::check;
use crate::cli::GraphArgs;
use crate::run::read_patch_file;
use layout::{Cable, Node};

/// Draws a patch file.
///
/// # Errors
/// If the patch can't be read or is wrong, or if the picture can't be written: as a sentence.
pub fn run(args: &GraphArgs) -> Result<ExitCode, Box<dyn Error>> {
    let patch = read_patch_file(&args.input)?;
    let name = args.input.with_extension("svg");
    let beside = name.file_name().map_or(name.as_path(), Path::new);
    let output = args.output.as_deref().unwrap_or(beside);
    let shown = output.display();
    // A slip of the finger must not cost a patch.
    if fs::canonicalize(output).is_ok_and(|at| fs::canonicalize(&args.input).is_ok_and(|i| i == at))
    {
        return Err(format!("{shown} is the patch itself; give another name with -o").into());
    }
    let (nodes, cables) = parts(&patch);
    let svg = draw::draw(patch.name(), &nodes, &cables, &layout::layout(&nodes, &cables));
    fs::write(output, svg).map_err(|error| format!("can't write the picture {shown}: {error}"))?;
    println!("{shown}: {}", check::contents(&patch));
    Ok(ExitCode::SUCCESS)
}

/// What is to be drawn: the modules and, as the last node, the patch's output with its two cables.
fn parts(patch: &Patch) -> (Vec<Node>, Vec<Cable>) {
    let driven: Vec<Vec<usize>> = (0..patch.modules().len()).map(|i| driven(patch, i)).collect();
    let mut nodes: Vec<Node> = patch
        .modules()
        .iter()
        .zip(&driven)
        .map(|(module, driven)| {
            let params = driven.iter().map(|param| module.spec().params[*param].name);
            Node {
                name: module.id().to_owned(),
                kind: module.spec().kind,
                inputs: module.spec().inputs.iter().map(|port| port.name).chain(params).collect(),
                outputs: module.spec().outputs.iter().map(|port| port.name).collect(),
            }
        })
        .collect();
    let mut cables: Vec<Cable> = patch
        .cables()
        .iter()
        .map(|cable| {
            let module = cable.to.module;
            let inputs = patch.modules()[module].spec().inputs.len();
            let port = match cable.to.port {
                TargetPort::Input(input) => input,
                TargetPort::Param(param) => {
                    let place = driven[module].iter().position(|driven| *driven == param);
                    inputs + place.unwrap_or_default()
                }
            };
            Cable { from: (cable.from.module, cable.from.output), to: (module, port) }
        })
        .collect();
    for (side, heard) in [patch.left(), patch.right()].into_iter().enumerate() {
        cables.push(Cable { from: (heard.module, heard.output), to: (nodes.len(), side) });
    }
    nodes.push(Node {
        name: "output".to_owned(),
        kind: "what is heard",
        inputs: vec!["left", "right"],
        outputs: Vec::new(),
    });
    (nodes, cables)
}

/// The parameters of a module that cables drive; they are drawn below its inputs.
fn driven(patch: &Patch, module: usize) -> Vec<usize> {
    let ends_there = patch.cables().iter().filter(|cable| cable.to.module == module);
    let mut params: Vec<usize> = ends_there
        .filter_map(|cable| match cable.to.port {
            TargetPort::Param(param) => Some(param),
            TargetPort::Input(_) => None,
        })
        .collect();
    params.sort_unstable();
    params.dedup();
    params
}
