//! Look-ups by hickory: asynchronous DNS, with HTTPS records.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::{self, Name, RData};
use mimic_core::roles::{Lookup, Question, Record, RecordType, Service};
use mimic_core::{Ctx, Error, ErrorKind, Install, Phase, for_each_mode};
use mimic_std::{Adapter, enough_descriptors, lookup_locally};

use crate::Tokio;

/// Look-ups by [`hickory_resolver`], in place of those by the system: asynchronous, so that giving
/// one up costs nothing, and with HTTPS records. [`Ctx::install`] takes it. It fills [`Lookup`] as
/// `hickory`, at priority 50.
///
/// ```no_run
/// use mimic_happy_eyeballs::{Config, RaceConfig};
/// use mimic_tokio::{Hickory, context};
///
/// # async fn example() -> Result<(), mimic_core::Error> {
/// let ctx = context().install(Hickory::from_system()?).with(RaceConfig, Config::new().https());
/// let flow = ctx.with_url("https://example.org")?.connect().await?;
/// # Ok(())
/// # }
/// ```
///
/// - HTTPS records are asked for if the race is told so, as above, and the connection is to be
///   secure.
/// - The hosts file comes before DNS and decides for both families, as for look-ups by the system:
///   a name in it, asked for as the file has it, is never asked of DNS, for no kind of record. Nor
///   is `localhost`, or a name below it: without a line they are the loopback's addresses.
/// - A hosts file that cannot be read, or is larger than 8 MiB, may have any name. The system's
///   resolver is asked for addresses in place of DNS, and HTTPS records are an error.
/// - Names that DNS leads to are DNS's: the targets of CNAME and of HTTPS records are not looked
///   for in the hosts file. Nor is a name with a last dot, unless the file has the dot too.
/// - Other sources that the system has (mDNS, NIS) are not asked. A resolver of your own that is
///   told not to use the hosts file
///   ([`ResolveHosts::Never`](hickory_resolver::config::ResolveHosts)) is asked for its names.
/// - Addresses with a zone (`fe80::1%eth0`) are answered without a question.
/// - Addresses are looked up by the search list of the system, for both families by one name of it;
///   HTTPS records for the name as it is.
/// - It keeps answers for their time to live, and its sockets belong to the runtime that asks: make
///   one for each runtime, and clone the context rather than making another.
#[derive(Clone)]
pub struct Hickory(TokioResolver);

impl Hickory {
    /// Takes the servers and options of the system: `/etc/resolv.conf`, or what Windows and macOS
    /// have in its place. They are read now, and not again.
    ///
    /// # Errors
    /// If they cannot be read, or name no server.
    pub fn from_system() -> Result<Self, Error> {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        resolver.map(Self::from).map_err(|error| {
            failed(error)
                .advise("install no Hickory, and the system's resolver is asked; or make one by From<TokioResolver>")
        })
    }
}

impl From<TokioResolver> for Hickory {
    /// Takes servers and options of your own, and hosts of your own
    /// ([`set_hosts`](hickory_resolver::Resolver::set_hosts)) if it is told not to use the file.
    fn from(mut resolver: TokioResolver) -> Self {
        if uses_hosts_file(&resolver) {
            // Read once, and for each family by itself.
            resolver.set_hosts(Arc::default());
        }
        Self(resolver)
    }
}

impl fmt::Debug for Hickory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hickory")
    }
}

for_each_mode!(M => {
    impl Install<M> for Hickory {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(Lookup, "hickory", 50, (), move |question, ()| {
                let resolver = self.0.clone();
                async move { lookup(&resolver, question).await }
            })
        }
    }
});

fn uses_hosts_file(resolver: &TokioResolver) -> bool {
    !matches!(resolver.options().use_hosts_file, ResolveHosts::Never)
}

async fn lookup(resolver: &TokioResolver, question: Question) -> Result<Vec<Record>, Error> {
    if let Some(answer) = lookup_locally(&question, uses_hosts_file(resolver)).await {
        return answer;
    }
    Tokio::check()?;
    let mut name = Name::from_str_relaxed(&*question.name)
        .map_err(|error| Error::with_source(ErrorKind::InvalidInput, error).in_phase(Phase::Lookup))?;
    match question.record_type {
        RecordType::A => family(resolver, name, rr::RecordType::A, rr::RecordType::AAAA).await,
        RecordType::Aaaa => family(resolver, name, rr::RecordType::AAAA, rr::RecordType::A).await,
        RecordType::Addresses => both(resolver, name).await,
        RecordType::Https => {
            // The search list might lead to the service of another.
            name.set_fqdn(true);
            one(resolver, name, rr::RecordType::HTTPS).await
        }
        other => Err(Error::new(ErrorKind::Unsupported, format!("no look-ups of {other:?}"))),
    }
}

/// Looks up one family: of the name as it stands, if the search list completes it last, and
/// otherwise of the name that the list gives to both families. Each family by itself might come to
/// another name.
async fn family(
    resolver: &TokioResolver,
    name: Name,
    wanted: rr::RecordType,
    other: rr::RecordType,
) -> Result<Vec<Record>, Error> {
    if name.is_fqdn() {
        return one(resolver, name, wanted).await;
    }
    if usize::from(name.num_labels()) > resolver.options().ndots {
        let mut whole = name.clone();
        whole.set_fqdn(true);
        match one(resolver, whole.clone(), wanted).await {
            Ok(found) if found.is_empty() => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
        if one(resolver, whole, other).await.is_ok_and(|found| !found.is_empty()) {
            return Ok(Vec::new());
        }
    }
    let mut found = both(resolver, name).await?;
    found.retain(|record| matches!(record, Record::A(_)) == (wanted == rr::RecordType::A));
    Ok(found)
}

async fn one(resolver: &TokioResolver, name: Name, record_type: rr::RecordType) -> Result<Vec<Record>, Error> {
    match resolver.lookup(name, record_type).await {
        // Aliases (CNAME) are among the answers.
        Ok(found) => Ok(found.answers().iter().filter_map(|answer| record(&answer.data)).collect()),
        Err(error) => nothing(error),
    }
}

async fn both(resolver: &TokioResolver, name: Name) -> Result<Vec<Record>, Error> {
    match resolver.lookup_ip(name).await {
        Ok(found) => Ok(found.iter().map(Record::from).collect()),
        Err(error) => nothing(error),
    }
}

fn nothing(error: NetError) -> Result<Vec<Record>, Error> {
    if error.is_nx_domain() {
        Err(Error::new(ErrorKind::NotFound, "the name does not exist").in_phase(Phase::Lookup))
    } else if error.is_no_records_found() {
        Ok(Vec::new())
    } else {
        // One that could open no socket may say anything.
        enough_descriptors()?;
        Err(failed(error))
    }
}

fn failed(error: NetError) -> Error {
    let kind = match &error {
        NetError::Timeout => ErrorKind::TimedOut,
        NetError::Io(error) => Error::from(std::io::Error::from(error.kind())).kind(),
        _ => ErrorKind::Other,
    };
    Error::with_source(kind, error).in_phase(Phase::Lookup)
}

fn record(data: &RData) -> Option<Record> {
    match data {
        RData::A(address) => Some(Record::A(address.0)),
        RData::AAAA(address) => Some(Record::Aaaa(address.0)),
        RData::HTTPS(record) => Some(Record::Https(service(&record.0))),
        _ => None,
    }
}

fn service(record: &SVCB) -> Service {
    let mut service = Service {
        priority: record.svc_priority,
        // "." is nothing. Others keep their last dot, so that no search list is tried for them.
        target: if record.target_name.is_root() { "".into() } else { record.target_name.to_ascii().into() },
        alpn: Vec::new(),
        no_default_alpn: false,
        port: None,
        hints: Vec::new(),
        ech: false,
        unsupported: false,
    };
    for (_, value) in &record.svc_params {
        match value {
            SvcParamValue::Mandatory(keys) => {
                // One that is not there makes the record malformed (RFC 9460, section 8).
                let known = |key| understood(key) && record.svc_params.iter().any(|(there, _)| *there == key);
                service.unsupported = !keys.0.iter().all(|key| known(*key));
            }
            SvcParamValue::Alpn(names) => service.alpn = names.0.iter().map(|name| name.as_bytes().to_vec()).collect(),
            SvcParamValue::NoDefaultAlpn => service.no_default_alpn = true,
            SvcParamValue::Port(port) => service.port = Some(*port),
            SvcParamValue::Ipv4Hint(hints) => service.hints.extend(hints.0.iter().map(|hint| IpAddr::from(hint.0))),
            SvcParamValue::Ipv6Hint(hints) => service.hints.extend(hints.0.iter().map(|hint| IpAddr::from(hint.0))),
            SvcParamValue::EchConfigList(_) => service.ech = true,
            SvcParamValue::Unknown(_) => {}
        }
    }
    service
}

/// Tells whether [`Service`] has all parameters of the record. Of ECH it has only that it is
/// offered.
fn understood(key: SvcParamKey) -> bool {
    use SvcParamKey::{Alpn, Ipv4Hint, Ipv6Hint, NoDefaultAlpn, Port};
    matches!(key, Alpn | NoDefaultAlpn | Port | Ipv4Hint | Ipv6Hint)
}
