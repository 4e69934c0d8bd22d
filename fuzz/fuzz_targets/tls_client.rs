//! See `mimic_tests::fuzz::tls_client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimic_tests::fuzz::tls_client(data));
