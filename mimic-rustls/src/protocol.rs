//! What TLS fills: `Secure` over `Transport`, and the schemes `tls` and `https` over `Secure`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mimic_core::{
    Bind, Ctx, Dialer, Error, Host, HostPort, Install, Listen, Lookup, Mode, Port, Scheme, Secure, Sleep, Stream, Text,
    Transport, dial_addresses, dial_host, for_each_mode, is, key, or_default, over, req,
};
use rustls::{ClientConfig, ServerConfig};

use crate::connect::connect;
use crate::listener::TlsListener;

key! {
    /// What a client trusts and offers: rustls's own configuration, with any crypto provider. With the feature
    /// `platform` and a provider, it is derived from the platform's trust store when none is given.
    pub TlsConfig: Arc<ClientConfig>;
    /// What a server presents and asks for: rustls's own configuration.
    pub TlsServerConfig: Arc<ServerConfig>;
    /// The protocols that a client offers by ALPN, in place of those of [`TlsConfig`].
    pub Alpn: Vec<Vec<u8>>;
}

/// Installs TLS: [`Secure`] over [`Transport`], the schemes `tls` and `https` (port 443) for [`Stream`] and
/// [`Listen`], and, where features allow, a default for [`TlsConfig`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tls;

const PRIORITY: i32 = 100;

for_each_mode!(M => {
    impl Install<M> for Tls {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let config = crate::platform::Default::new();
            ctx.derive(TlsConfig, (), move |()| {
                    let config = config.clone();
                    async move { config.get().map(Some) }
                })
                .register(
                    Secure,
                    "tls",
                    PRIORITY,
                    (req(TlsConfig), or_default(Alpn, Vec::new()), over(Transport)),
                    |to: HostPort, (config, alpn, transport)| async move {
                        let flow = transport.dial(to.clone()).await?;
                        Ok(Box::new(connect(flow, config, alpn, &to.host).await?) as <M as Mode>::Flow)
                    },
                )
                .register(Stream, "tls", PRIORITY, (is(Scheme, "tls"), req(Host), req(Port), over(Secure)), dial_host)
                .register(
                    Stream,
                    "https",
                    PRIORITY,
                    (is(Scheme, "https"), req(Host), or_default(Port, 443), over(Secure)),
                    dial_host,
                )
                .register(
                    Listen,
                    "tls",
                    PRIORITY,
                    (is(Scheme, "tls"), req(Host), req(Port), req(TlsServerConfig), over(Lookup), over(Bind), over(Sleep)),
                    |(), args| async move { Ok(Box::new(listen(args).await?) as <M as Mode>::Listener) },
                )
                .register(
                    Listen,
                    "https",
                    PRIORITY,
                    (
                        is(Scheme, "https"),
                        req(Host),
                        or_default(Port, 443),
                        req(TlsServerConfig),
                        over(Lookup),
                        over(Bind),
                        over(Sleep),
                    ),
                    |(), args| async move { Ok(Box::new(listen(args).await?) as <M as Mode>::Listener) },
                )
        }
    }
});

type Listening<M> = (Text, u16, Arc<ServerConfig>, Dialer<Lookup, M>, Dialer<Bind, M>, Dialer<Sleep, M>);

async fn listen<M: Mode>((host, port, config, lookup, bind, sleep): Listening<M>) -> Result<TlsListener<M>, Error> {
    let timer = sleep.dial(()).await?;
    let below = dial_addresses(&lookup, &bind, &HostPort::new(host, port)).await?;
    Ok(TlsListener::new(below, config, timer))
}
