//! What tells other modules what to do.

pub mod clock;
pub mod constant;
pub mod divider;
pub mod lfo;
pub mod logic;
pub mod maths;
pub mod offset;
pub mod pattern;
pub mod quantizer;
pub mod random;
pub mod row;
pub mod sample_hold;
pub mod scale;
pub mod score;
pub mod slew;
pub mod steps;
pub mod timing;
pub mod transpose;
pub mod voices;
