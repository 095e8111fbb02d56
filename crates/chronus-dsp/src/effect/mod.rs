//! What is done to a sound that is there already.
