#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (chronus_fuzz::target("patch_file").run)(bytes));
