//! Drums, and a voice that goes with them.
