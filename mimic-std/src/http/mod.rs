//! HTTP over flows: what clients and servers of hyper need, on any runtime.
//!
//! ```text
//!   hyper-util's Client, tonic          axum
//!        │ Service<Uri>                   ▲ ConnectInfo<ConnectionInfo>
//!        ▼                                │
//!   Connector ─► ToHyper ─► flow        flow ◄─ listener
//!                  │ attributes           │ attributes
//!                  ▼                      ▼
//!            ConnectionInfo, also an extension of each response
//! ```

#[cfg(feature = "hyper")]
mod connector;
mod info;
#[cfg(unix)]
mod over_unix;
#[cfg(feature = "hyper")]
mod to_hyper;

#[cfg(feature = "hyper")]
pub use self::connector::Connector;
pub use self::info::{Attributes, ConnectionInfo};
#[cfg(unix)]
pub use self::over_unix::OverUnix;
#[cfg(feature = "hyper")]
pub use self::to_hyper::ToHyper;
