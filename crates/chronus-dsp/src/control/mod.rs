//! What tells other modules what to do.

pub mod clock;
pub mod constant;
pub mod divider;
pub mod lfo;
pub mod logic;
pub mod maths;
pub mod offset;
pub mod quantizer;
pub mod random;
pub mod sample_hold;
pub mod scale;
pub mod slew;
pub mod timing;
pub mod transpose;
pub mod voices;
