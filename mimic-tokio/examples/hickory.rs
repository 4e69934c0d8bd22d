//! `hickory connect URL`: like the command line's `connect`, with names looked up by hickory. Sends
//! nothing, and prints what the peer sends. For `tests/namespaces/lookups`.

#![allow(clippy::unwrap_used, reason = "an example")]

use std::io::Write as _;

use mimic_core::embedded_io_async::Read as _;
use mimic_core::{Error, FlowExt as _};
use mimic_tokio::{Hickory, context};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(2).unwrap();
    let mut flow = context().install(Hickory::from_system()?).with_url(&url)?.connect().await?;
    flow.shutdown().await?;
    let mut chunk = [0; 1024];
    loop {
        match flow.read(&mut chunk).await? {
            0 => return flow.close().await,
            n => std::io::stdout().write_all(&chunk[..n])?,
        }
    }
}
