#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| odx_dentrix::fuzz::report(data));
