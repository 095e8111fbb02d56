#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (chronus_fuzz::target("audio_file").run)(bytes));
