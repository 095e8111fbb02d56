//! How samples are written in files that are not compressed, and what they are.

/// The byte that comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The lowest.
    Little,
    /// The highest.
    Big,
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// An integer of so many bytes, 1 to 4, full scale at its highest bit.
    Integer(usize),
    /// The same from 0 on, with the middle at half.
    Unsigned(usize),
    /// A float of 4 bytes.
    Float,
    /// A float of 8 bytes.
    Double,
    /// Logarithmic, a byte each, as in European telephones (ITU-T G.711).
    ALaw,
    /// Logarithmic, a byte each, as in American telephones (ITU-T G.711).
    MuLaw,
}

impl Coding {
    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::Integer(bytes) | Self::Unsigned(bytes) => bytes,
            Self::Float => 4,
            Self::Double => 8,
            Self::ALaw | Self::MuLaw => 1,
        }
    }

    /// Appends the samples that whole `bytes` hold; full scale is 1. Integers are divided by their full scale, which
    /// is exact up to 24 bits.
    pub fn decode(self, order: Order, bytes: &[u8], samples: &mut Vec<f32>) {
        let words = bytes.chunks_exact(self.bytes());
        match self {
            Self::Integer(_) => samples.extend(words.map(|word| of_integer(top(word, order)))),
            Self::Unsigned(_) => {
                samples.extend(words.map(|word| of_integer(top(word, order) ^ i32::MIN)));
            }
            Self::Float => {
                samples.extend(words.map(|word| f32::from_bits(top(word, order) as u32)));
            }
            Self::Double => samples.extend(words.map(|word| of_double(word, order))),
            Self::ALaw => samples.extend(words.map(|word| of_a_law(word[0]))),
            Self::MuLaw => samples.extend(words.map(|word| of_mu_law(word[0]))),
        }
    }
}

/// The bytes of a word as the highest of 32 bits.
fn top(word: &[u8], order: Order) -> i32 {
    let mut bytes = [0; 4];
    for (at, byte) in word.iter().enumerate() {
        match order {
            Order::Little => bytes[4 - word.len() + at] = *byte,
            Order::Big => bytes[3 - at] = *byte,
        }
    }
    i32::from_le_bytes(bytes)
}

fn of_integer(value: i32) -> f32 {
    value as f32 / 2_147_483_648.0
}

fn of_double(word: &[u8], order: Order) -> f32 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(word);
    match order {
        Order::Little => f64::from_le_bytes(bytes) as f32,
        Order::Big => f64::from_be_bytes(bytes) as f32,
    }
}

/// G.711: sign, exponent and mantissa of 13 bits; even bits are inverted.
fn of_a_law(code: u8) -> f32 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (code >> 4 & 7, i32::from(code & 15));
    let level = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    let level = if code & 0x80 == 0 { -level } else { level };
    level as f32 / 32_768.0
}

/// G.711: sign, exponent and mantissa of 14 bits; all bits are inverted.
fn of_mu_law(code: u8) -> f32 {
    let code = !code;
    let level = ((i32::from(code & 15) << 3) + 0x84) << (code >> 4 & 7);
    let level = if code & 0x80 == 0 { level - 0x84 } else { 0x84 - level };
    level as f32 / 32_768.0
}
