//! See `mimic_fuzz_bodies::tls_server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimic_fuzz_bodies::tls_server(data));
