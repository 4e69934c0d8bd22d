//! See `mimic_fuzz_bodies::engine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimic_fuzz_bodies::engine(data));
