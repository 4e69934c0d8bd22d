//! Every flow of mimic, put through the conformance kit: one line each.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
mod flows;
#[path = "../../mimic-embassy/tests/world/mod.rs"]
mod world;

use mimic_tests::conformance;

conformance!(memory, crate::flows::memory::memory);
conformance!(memory_narrow, crate::flows::memory::narrow);
conformance!(owned_halves, crate::flows::memory::owned_halves);
conformance!(borrowed_halves, crate::flows::memory::borrowed_halves);
conformance!(buf_reader, crate::flows::memory::buf_reader);
conformance!(pump, crate::flows::memory::pumped);
conformance!(repoll, crate::flows::memory::repolled);

conformance!(tls13, crate::flows::tls::tls13);
conformance!(tls12, crate::flows::tls::tls12);
conformance!(tls_narrow, crate::flows::tls::narrow);

conformance!(tokio_tcp, crate::flows::tokio::tcp);
conformance!(tokio_tcp_threads, crate::flows::tokio::tcp_threads);
conformance!(tokio_socket, crate::flows::tokio::socket);
conformance!(tokio_unix, crate::flows::tokio::unix);
conformance!(tokio_tls, crate::flows::tokio::tls);

conformance!(smol_tcp, crate::flows::smol::tcp);
conformance!(smol_unix, crate::flows::smol::unix);
conformance!(smol_tls, crate::flows::smol::tls);
conformance!(async_std_tcp, crate::flows::smol::async_std_tcp);
conformance!(async_std_unix, crate::flows::smol::async_std_unix);
conformance!(async_std_tls, crate::flows::smol::async_std_tls);

conformance!(embassy_tcp, crate::flows::embassy::tcp);
conformance!(embassy_tls, crate::flows::embassy::tls);

conformance!(tokio_traits, crate::flows::bridges::tokio_traits);
conformance!(futures_traits, crate::flows::bridges::futures_traits);
conformance!(both_traits, crate::flows::bridges::both_traits);
conformance!(tokio_duplex, crate::flows::bridges::tokio_duplex);
conformance!(tokio_sockets_by_futures, crate::flows::bridges::tokio_sockets_by_futures);
