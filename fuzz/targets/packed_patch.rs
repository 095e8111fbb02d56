#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (chronus_fuzz::target("packed_patch").run)(bytes));
