//! The log of session secrets, with which another program can decrypt the connection.

use alloc::sync::Arc;

use mimic_core::key;
use rustls::client::Resumption;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::{ClientConfig, KeyLog, ServerConfig};

key! {
    /// Logs the session secrets of TLS, of clients and of listeners. Without a value nothing is
    /// logged, whatever the environment says, unless the configuration of the application has a log
    /// of its own.
    ///
    /// Everyone who reads the log can read the connections. It is for debugging with a program such
    /// as Wireshark. rustls's `KeyLogFile` appends to the file that the environment variable
    /// `SSLKEYLOGFILE` names, in the format of NSS, and does nothing if it is not set:
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use std::sync::Arc;
    /// use mimic_core::Context;
    /// use mimic_rustls::rustls::KeyLogFile;
    /// use mimic_rustls::{Tls, TlsKeyLog};
    ///
    /// let ctx = Context::new().install(Tls);
    /// let logged = ctx.with(TlsKeyLog, Arc::new(KeyLogFile::new()));
    /// # }
    /// ```
    ///
    /// It applies to this context and those made from it. The configuration in use
    /// ([`TlsConfig`](crate::TlsConfig), [`TlsServerConfig`](crate::TlsServerConfig)) is copied,
    /// and not changed for others that share it. A connection that is logged neither resumes a
    /// session nor leaves one: in TLS 1.2 the secret of a session would reveal its earlier
    /// connections, too.
    pub TlsKeyLog: Arc<dyn KeyLog>;
}

/// Returns the configuration, with the log if there is one.
pub(crate) fn client(config: Arc<ClientConfig>, log: Option<Arc<dyn KeyLog>>) -> Arc<ClientConfig> {
    let Some(key_log) = log else { return config };
    let mut config = ClientConfig::clone(&config);
    config.key_log = key_log;
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// As [`client`], for a server.
pub(crate) fn server(config: Arc<ServerConfig>, log: Option<Arc<dyn KeyLog>>) -> Arc<ServerConfig> {
    let Some(key_log) = log else { return config };
    let mut config = ServerConfig::clone(&config);
    config.key_log = key_log;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::new(NoTickets);
    Arc::new(config)
}

#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<alloc::vec::Vec<u8>> {
        None
    }

    fn decrypt(&self, _: &[u8]) -> Option<alloc::vec::Vec<u8>> {
        None
    }
}
