#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| odx_opendental::fuzz::date(data));
