//! Synth definitions, written as the server reads them: version 2 of the file format.

/// How often a unit computes.
#[derive(Clone, Copy)]
pub enum Rate {
    /// Once a block.
    Control = 1,
    /// Every frame.
    Audio = 2,
}

/// An operator on two inputs, by its number.
#[derive(Clone, Copy)]
pub enum Operator {
    Plus = 0,
    Times = 2,
    /// The first to the power of the second.
    Power = 25,
}

/// What a unit reads: a constant, or the output of a unit.
#[derive(Clone, Copy)]
pub struct Input(i32, i32);

/// In [`Input`]: it is a constant.
const CONSTANT: i32 = -1;

/// A unit generator.
struct Unit {
    class: &'static str,
    rate: Rate,
    outputs: usize,
    /// Which operator it is, if it is one.
    special: i16,
    inputs: Vec<Input>,
}

/// A definition under way.
pub struct Definition {
    controls: Vec<(&'static str, f32)>,
    constants: Vec<f32>,
    units: Vec<Unit>,
}

impl Definition {
    /// One with these controls and their defaults.
    pub fn new(controls: &[(&'static str, f32)]) -> Self {
        let mut units = Vec::new();
        if !controls.is_empty() {
            let (rate, outputs) = (Rate::Control, controls.len());
            units.push(Unit { class: "Control", rate, outputs, special: 0, inputs: vec![] });
        }
        Self { controls: controls.to_vec(), constants: Vec::new(), units }
    }

    /// The control of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn control(&self, name: &str) -> Input {
        let at = self.controls.iter().position(|(own, _)| *own == name);
        Input(0, at.expect("a control of this name") as i32)
    }

    pub fn constant(&mut self, value: f32) -> Input {
        let known = self.constants.iter().position(|constant| *constant == value);
        let index = known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        Input(CONSTANT, index as i32)
    }

    /// Adds a unit with one output, as an input of others.
    pub fn unit(&mut self, class: &'static str, rate: Rate, inputs: &[Input]) -> Input {
        self.add(Unit { class, rate, outputs: 1, special: 0, inputs: inputs.to_vec() })
    }

    /// Adds an operator, as an input of others.
    pub fn operator(&mut self, operator: Operator, rate: Rate, a: Input, b: Input) -> Input {
        let (special, inputs) = (operator as i16, vec![a, b]);
        self.add(Unit { class: "BinaryOpUGen", rate, outputs: 1, special, inputs })
    }

    /// Adds what plays its inputs, the first of which is a bus.
    pub fn out(&mut self, class: &'static str, inputs: &[Input]) {
        let inputs = inputs.to_vec();
        self.add(Unit { class, rate: Rate::Audio, outputs: 0, special: 0, inputs });
    }

    fn add(&mut self, unit: Unit) -> Input {
        self.units.push(unit);
        Input(self.units.len() as i32 - 1, 0)
    }

    /// The bytes of a file with this definition.
    pub fn encode(&self, name: &str) -> Vec<u8> {
        let mut bytes = b"SCgf\0\0\0\x02\0\x01".to_vec();
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.push(text.len() as u8);
            bytes.extend(text.as_bytes());
        };
        let int = |bytes: &mut Vec<u8>, value: i32| bytes.extend(value.to_be_bytes());
        text(&mut bytes, name);
        int(&mut bytes, self.constants.len() as i32);
        bytes.extend(self.constants.iter().flat_map(|constant| constant.to_be_bytes()));
        int(&mut bytes, self.controls.len() as i32);
        bytes.extend(self.controls.iter().flat_map(|(_, value)| value.to_be_bytes()));
        int(&mut bytes, self.controls.len() as i32);
        for (index, (name, _)) in self.controls.iter().enumerate() {
            text(&mut bytes, name);
            int(&mut bytes, index as i32);
        }
        int(&mut bytes, self.units.len() as i32);
        for unit in &self.units {
            text(&mut bytes, unit.class);
            bytes.push(unit.rate as u8);
            int(&mut bytes, unit.inputs.len() as i32);
            int(&mut bytes, unit.outputs as i32);
            bytes.extend(unit.special.to_be_bytes());
            for Input(unit, output) in &unit.inputs {
                int(&mut bytes, *unit);
                int(&mut bytes, *output);
            }
            bytes.extend(std::iter::repeat_n(unit.rate as u8, unit.outputs));
        }
        bytes.extend(0_i16.to_be_bytes());
        bytes
    }
}
