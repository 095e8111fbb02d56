//! The program `chronus`; its parts are in the library beside it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    chronus::main()
}
