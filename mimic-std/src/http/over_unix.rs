//! Hosts that are reached by a Unix socket.

use std::collections::BTreeMap;
use std::sync::Arc;

use mimic_core::needs::{handshake, over};
use mimic_core::roles::{HostPort, Transport, Unix, UnixPath};
use mimic_core::{Ctx, Dialer, Install, Text, for_each_mode};

/// Reaches hosts by Unix sockets: all of them, or some by name. [`Ctx::install`] takes it.
///
/// It is a layer of [`Transport`], so what is above stays: HTTP and TLS, with the host as the name.
///
/// ```
/// use mimic_core::Context;
/// use mimic_core::roles::UnixPath;
/// use mimic_std::OverUnix;
///
/// # fn example(ctx: Context) -> Result<(), mimic_core::Error> {
/// // `http://docker/version` is asked by this socket, and other hosts as ever.
/// let docker = UnixPath::new("/var/run/docker.sock")?;
/// let ctx = ctx.install(OverUnix::host("docker", docker));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OverUnix {
    all: Option<UnixPath>,
    hosts: BTreeMap<Text, UnixPath>,
}

impl OverUnix {
    /// Reaches every host by one socket.
    #[must_use]
    pub fn all(path: UnixPath) -> Self {
        Self { all: Some(path), hosts: BTreeMap::new() }
    }

    /// Reaches the host of this name, whatever the port, by a socket. Names are ASCII, and compare
    /// without case.
    #[must_use]
    pub fn host(name: &str, path: UnixPath) -> Self {
        Self::default().and_host(name, path)
    }

    /// Adds a host that is reached by a socket of its own.
    #[must_use]
    pub fn and_host(mut self, name: &str, path: UnixPath) -> Self {
        self.hosts.insert(name.to_ascii_lowercase().into(), path);
        self
    }

    fn path(&self, to: &HostPort) -> Option<UnixPath> {
        // A host that no endpoint string gave is not lowered yet.
        let host = Text::from(to.host.to_ascii_lowercase());
        self.hosts.get(&host).or(self.all.as_ref()).cloned()
    }
}

for_each_mode!(M => {
    impl Install<M> for OverUnix {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let hosts = Arc::new(self);
            ctx.layer(Transport, "unix", (over(Unix), handshake()), move |to: HostPort, below: Dialer<Transport, M>, (unix, handshake)| {
                let path = hosts.path(&to);
                async move {
                    match path {
                        Some(path) => unix.dial(path).await,
                        None => below.dial_with(to, handshake).await,
                    }
                }
            })
        }
    }
});
