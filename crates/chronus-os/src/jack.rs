//! JACK (being written).
