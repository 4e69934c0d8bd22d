//! The traits of embedded-nal-async, over a context.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use embedded_nal_async::{AddrType, Dns, TcpConnect};
use mimic_core::roles::{Lookup, Question, Record, RecordType, Tcp};
use mimic_core::{Ctx, Error, ErrorKind, Local, Mode, Phase};

/// The network of a context, for clients that dial by themselves: [`TcpConnect`] by the role
/// [`Tcp`], [`Dns`] by the role [`Lookup`].
///
/// ```text
///   client (reqwless …)
///     │ get_host_by_name("example.org")   ─► Lookup   the first address, and no other
///     │ connect(192.0.2.7:80)             ─► Tcp      a flow, in clear text
///     ▼
///   Nal(ctx)
/// ```
///
/// ```no_run
/// use mimic_core::LocalContext;
/// use mimic_embassy::Nal;
/// use reqwless::client::HttpClient;
/// use reqwless::request::Method;
///
/// async fn get(ctx: LocalContext, rx: &mut [u8]) -> Result<usize, reqwless::Error> {
///     let nal = Nal::new(ctx);
///     let mut http = HttpClient::new(&nal, &nal);
///     let mut request = http.request(Method::GET, "http://example.org/").await?;
///     let response = request.send(rx).await?;
///     Ok(response.body().read_to_end().await?.len())
/// }
/// ```
///
/// # What is lost
/// A client that takes these traits has split a name from its connection, so that a context cannot
/// do what it would do with both:
/// - **Happy eyeballs**: of the addresses of a name there is one, the first that [`Lookup`] gives.
///   If it is dead, the connect fails.
/// - **TLS by name**: a connection is clear text. TLS is then the client's own, if it has one.
/// - **Layers** on [`Connect`](mimic_core::roles::Connect), on
///   [`Secure`](mimic_core::roles::Secure) and on
///   [`Transport`](mimic_core::roles::Transport), such as proxies. Those on [`Tcp`] and [`Lookup`]
///   stay.
/// - **One deadline**: it covers the look-up, and once more the connect.
/// - **Errors**: these traits give them whole, but most clients keep the kind alone.
///
/// # The better way
/// Most clients also take a stream. A flow is one: everything stays, and the client is unaware of
/// it. The same request, over TLS and by happy eyeballs:
///
/// ```no_run
/// use mimic_core::LocalContext;
/// use reqwless::client::HttpConnection;
/// use reqwless::request::{Request, RequestBuilder};
///
/// # #[derive(Debug)] enum Error { Connect(mimic_core::Error), Http(reqwless::Error) }
/// # impl From<mimic_core::Error> for Error { fn from(e: mimic_core::Error) -> Self { Self::Connect(e) } }
/// # impl From<reqwless::Error> for Error { fn from(e: reqwless::Error) -> Self { Self::Http(e) } }
/// async fn get(ctx: LocalContext, rx: &mut [u8]) -> Result<usize, Error> {
///     let flow = ctx.with_url("https://example.org")?.connect().await?;
///     let mut http = HttpConnection::Plain(flow);
///     let request = Request::get("/").host("example.org").build();
///     let response = http.send(request, rx).await?;
///     Ok(response.body().read_to_end().await?.len())
/// }
/// ```
#[derive(Clone)]
pub struct Nal<M: Mode = Local> {
    ctx: Ctx<M>,
}

impl<M: Mode> Nal<M> {
    /// Makes the network of a context. An endpoint in it is not used.
    #[must_use]
    pub fn new(ctx: Ctx<M>) -> Self {
        Self { ctx }
    }
}

impl<M: Mode> From<Ctx<M>> for Nal<M> {
    fn from(ctx: Ctx<M>) -> Self {
        Self::new(ctx)
    }
}

impl<M: Mode> fmt::Debug for Nal<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nal").finish_non_exhaustive()
    }
}

impl<M: Mode> TcpConnect for Nal<M> {
    type Error = Error;
    type Connection<'a> = M::Flow;

    /// Connects by [`Tcp`], within the deadline of the context. Cancel-safe: a dropped connect is
    /// given up.
    async fn connect(&self, remote: SocketAddr) -> Result<M::Flow, Error> {
        self.ctx.resolve(Tcp, remote).await
    }
}

impl<M: Mode> Dns for Nal<M> {
    type Error = Error;

    /// Returns the first address that [`Lookup`] gives, within the deadline of the context. An
    /// address needs no look-up.
    ///
    /// # Errors
    /// Those of the look-up; [`NotFound`](ErrorKind::NotFound) without an address of the family.
    async fn get_host_by_name(&self, host: &str, addr_type: AddrType) -> Result<IpAddr, Error> {
        let (record_type, missing) = match addr_type {
            AddrType::IPv4 => (RecordType::A, "it has no IPv4 address"),
            AddrType::IPv6 => (RecordType::Aaaa, "it has no IPv6 address"),
            AddrType::Either => (RecordType::Addresses, "it has no address"),
        };
        let wanted = |address: &IpAddr| match addr_type {
            AddrType::IPv4 => address.is_ipv4(),
            AddrType::IPv6 => address.is_ipv6(),
            AddrType::Either => true,
        };
        let found = match host.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let records = self.ctx.resolve(Lookup, Question { name: host.into(), record_type }).await?;
                records.into_iter().find_map(|record| match record {
                    Record::A(address) => Some(address.into()),
                    Record::Aaaa(address) => Some(address.into()),
                    // A zone has no place in an `IpAddr`.
                    _ => None,
                })
            }
        };
        found
            .filter(wanted)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, missing).in_phase(Phase::Lookup).to_target(host))
    }

    /// Fails: [`Lookup`] has no names of addresses.
    ///
    /// # Errors
    /// Always, of kind [`Unsupported`](ErrorKind::Unsupported).
    async fn get_host_by_address(&self, addr: IpAddr, _result: &mut [u8]) -> Result<usize, Error> {
        let error = Error::new(ErrorKind::Unsupported, "mimic looks up addresses by names, not names by addresses");
        Err(error.in_phase(Phase::Lookup).to_target(addr))
    }
}
