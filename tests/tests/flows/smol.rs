//! Flows of smol's and async-std's sockets, which are the same, each on its own executor.

use mimic_core::Error;
use mimic_smol::context;
use mimic_tests::conformance::{Ends, Fixture, Kind, pairs_on};

fn on_smol<W>(kind: Kind, make: impl Fn() -> W) -> impl Fixture
where
    W: Future<Output = Result<Ends, Error>> + 'static,
{
    pairs_on(kind, make, |case| smol::block_on(case))
}

fn on_async_std<W>(kind: Kind, make: impl Fn() -> W) -> impl Fixture
where
    W: Future<Output = Result<Ends, Error>> + 'static,
{
    pairs_on(kind, make, |case| async_std::task::block_on(case))
}

pub(crate) fn tcp() -> impl Fixture {
    on_smol(Kind::default(), || super::over_tcp(context()))
}

pub(crate) fn unix() -> impl Fixture {
    on_smol(Kind::default().without_reset().without_addresses(), || super::over_unix(context()))
}

pub(crate) fn tls() -> impl Fixture {
    on_smol(Kind::default().with_error_on_drop(), || super::over_tls(context()))
}

pub(crate) fn async_std_tcp() -> impl Fixture {
    on_async_std(Kind::default(), || super::over_tcp(context()))
}

pub(crate) fn async_std_unix() -> impl Fixture {
    on_async_std(Kind::default().without_reset().without_addresses(), || super::over_unix(context()))
}

pub(crate) fn async_std_tls() -> impl Fixture {
    on_async_std(Kind::default().with_error_on_drop(), || super::over_tls(context()))
}
