//! See `mimic_tests::fuzz::bridges`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimic_tests::fuzz::bridges(data));
