//! A patch as a picture: modules in columns, cables between them.

#![forbid(unsafe_code)]

mod columns;
mod draw;
mod layout;
mod levels;

use chronus_engine::patch::TargetPort;
use chronus_engine::{Patch, PortSpec, SignalKind};

use layout::{Cable, Node, Port};

/// The picture of a patch, as SVG.
pub fn svg(patch: &Patch) -> String {
    let (nodes, cables) = parts(patch);
    draw::draw(patch.name(), &nodes, &cables, &layout::layout(&nodes, &cables))
}

/// What is to be drawn: the modules and, as the last node, the patch's output with its two cables.
fn parts(patch: &Patch) -> (Vec<Node>, Vec<Cable>) {
    let driven: Vec<Vec<usize>> = (0..patch.modules().len()).map(|i| driven(patch, i)).collect();
    let mut nodes: Vec<Node> = patch
        .modules()
        .iter()
        .zip(&driven)
        .map(|(module, driven)| {
            let port = |port: &PortSpec| Port { name: port.name, signal: Some(port.signal) };
            let params = driven.iter().map(|param| module.spec().params[*param].name);
            let params = params.map(|name| Port { name, signal: None });
            Node {
                name: module.id().to_owned(),
                kind: module.spec().kind,
                inputs: module.spec().inputs.iter().map(port).chain(params).collect(),
                outputs: module.spec().outputs.iter().map(port).collect(),
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
        inputs: ["left", "right"].map(|name| Port { name, signal: Some(SignalKind::Audio) }).into(),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn patches() -> Vec<Patch> {
        let circle = "format = 1\n[[module]]\nid = \"a\"\nkind = \"svf\"\n[[module]]\nid = \"<b>\"\n\
                      kind = \"biquad\"\n[[cable]]\nfrom = \"a.low\"\nto = \"b.in\"\n[[cable]]\n\
                      from = \"b.out\"\nto = \"a.in\"\n[[cable]]\nfrom = \"b.out\"\nto = \"b.cutoff\"\n\
                      [output]\nleft = \"b.out\"\nright = \"a.high\"\n"
            .replace("<b>", "b");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches");
        let files = fs::read_dir(folder).expect("the patches");
        let paths = files.map(|file| file.expect("a file").path());
        let texts =
            paths.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).expect("text"));
        let read = |text: String| Patch::parse(&text, "p.toml").expect("a patch");
        texts.chain([circle]).map(read).collect()
    }

    #[test]
    fn no_two_boxes_overlap_and_every_cable_leads_from_port_to_port() {
        for patch in patches() {
            let (nodes, cables) = parts(&patch);
            let layout = layout::layout(&nodes, &cables);
            assert_eq!(layout.boxes.len(), patch.modules().len() + 1);
            assert_eq!(layout.ways.len(), patch.cables().len() + 2);
            for (index, a) in layout.boxes.iter().enumerate() {
                assert!(a.x >= 0.0 && a.x + a.width <= layout.width, "{}", patch.name());
                assert!(a.y >= 0.0 && a.y + a.height <= layout.height, "{}", patch.name());
                for b in &layout.boxes[index + 1..] {
                    let apart = a.x + a.width <= b.x
                        || b.x + b.width <= a.x
                        || a.y + a.height <= b.y
                        || b.y + b.height <= a.y;
                    assert!(apart, "two boxes of {} overlap", patch.name());
                }
            }
            for (cable, way) in cables.iter().zip(&layout.ways) {
                let (from, to) = (layout.boxes[cable.from.0], layout.boxes[cable.to.0]);
                let (start, end) = (way[0], way[way.len() - 1]);
                assert_eq!((start.x, end.x), (from.x + from.width, to.x));
                assert!(start.y > from.y && start.y < from.y + from.height);
                assert!(end.y > to.y && end.y < to.y + to.height);
            }
        }
    }

    #[test]
    fn every_module_is_named_in_the_picture() {
        for patch in patches() {
            let svg = svg(&patch);
            for module in patch.modules() {
                assert!(svg.contains(&format!(">{}<", module.id())), "{}", module.id());
            }
        }
    }
}
