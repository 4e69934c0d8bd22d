//! Look-ups: answers that need no resolver, and then the system's.

use std::cell::LazyCell;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use mimic_core::roles::{Question, Record, RecordType};
use mimic_core::{Error, ErrorKind, Phase};

use crate::hosts::{hosts, is_localhost, loopback};
use crate::nsswitch::sources;
use crate::numeric::numeric;
use crate::questions::Questions;
use crate::search::{Completion, completion};
use crate::source::local_address;
use crate::system::{self, Ask};

/// The number of look-ups that run at a time, unless [`set_lookup_threads`] sets another.
const THREADS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

static QUESTIONS: LazyLock<Arc<Questions>> = LazyLock::new(|| Questions::new(THREADS, system::ask));

/// Looks up a name as the system does. It runs on any executor.
///
/// - An address is its own answer, with its zone ([`Record::Scoped`]) for `fe80::1%eth0` or
///   `fe80::1%2`.
/// - The hosts file decides for both families: for a name that it has an address for, the other
///   family is an empty answer, and nothing else is asked. Case does not count; a last dot does.
/// - `localhost` and all names below it are `127.0.0.1` and `::1`, if the hosts file has no line
///   for them; nothing else is asked (RFC 6761, section 6.3).
/// - For all other names the system's resolver is asked: for the family of the question, or for
///   both at once if `hosts:` in `/etc/nsswitch.conf` names other sources than the hosts file and
///   then DNS, is not there (with glibc), if the hosts file cannot be read, or if the search list
///   completes the name before it is asked for as it stands. Then both questions of a name share
///   one look-up. The list never gives one family of a name to another name.
///
/// The hosts file is `/etc/hosts`, on Windows `System32\drivers\etc\hosts` below `%SystemRoot%`. It
/// is read again when it changes. One of more than 8 MiB is left to the system.
///
/// An empty answer is a name without addresses of the family. No address comes twice. The addresses
/// of a name in the hosts file come in its order. For [`RecordType::Addresses`] all of IPv6 come
/// before those of IPv4; after them, if the machine has no route to the first one of IPv6.
///
/// # Threads
/// Answers of the first three kinds come at once. The system's resolver blocks, and is asked on
/// threads of this crate alone, named `mimic-lookup`: at most 64 at a time
/// ([`set_lookup_threads`]), started when a question finds none idle, and ended after ten idle
/// seconds. Further questions wait in order. A question that is asked already is not asked again:
/// all that wait get its answer.
///
/// # Cancellation
/// Dropping the future gives the look-up up. It is not begun if no other task waits for its answer.
/// One that runs cannot be cancelled: the system ends it by its own patience, with a silent server
/// often after 10 s or 20 s. While 64 run and some of them for nothing, one more is begun every 200
/// ms, up to 128. Only while 64 that are waited for are stuck, or 128, does the next wait until one
/// ends. No runtime waits for any of them when it shuts down.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) if the name does not exist;
/// [`Unsupported`](ErrorKind::Unsupported) for HTTPS records;
/// [`AddrNotAvailable`](ErrorKind::AddrNotAvailable) for a zone that is no interface;
/// [`Other`](ErrorKind::Other) with advice if no file descriptor or no thread is to be had; that of
/// the system, if it could not find out.
pub async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    if !is_of_addresses(question.record_type) {
        return Err(Error::new(ErrorKind::Unsupported, "the system's resolver knows addresses only")
            .in_phase(Phase::Lookup)
            .advise("ask a resolver of your own, or do not ask for HTTPS records"));
    }
    let apart = {
        // Not read for `localhost`, which comes before all sources.
        let sources = LazyCell::new(sources);
        match locally(&question, || sources.files_first) {
            Local::Answer(answer) => return answer,
            Local::Absent => sources.asks_apart(&question.name) && completion(&question.name) != Completion::First,
            Local::Unusable(_) => false,
        }
    };
    ask_the_system(question, apart).await
}

/// Asks for the family of the question, or for both at once and splits the answer.
async fn ask_the_system(question: Question, apart: bool) -> Result<Vec<Record>, Error> {
    let Question { name, record_type } = question;
    let asked = if apart { record_type } else { RecordType::Addresses };
    let found = QUESTIONS.ask(Ask { name, record_type: asked }).await?;
    Ok(of_type(found, record_type))
}

/// Answers, as [`lookup`] does, questions that other resolvers must not be asked: those for
/// addresses, for names in the hosts file, and for `localhost`. Returns `None` if the resolver is
/// to be asked. So a name is the same with every resolver. The question may be for HTTPS records,
/// also of a port of its own (`_8443._https.name`): those names have none.
///
/// This is about the name of the question as it stands. Names that DNS leads to from there, the
/// targets of CNAME and of HTTPS records, are DNS's. A target that is asked for itself should keep
/// its last dot, which the names in a hosts file do not have.
///
/// Without `hosts_file` the file is looked at for `localhost` alone. With it, a file that cannot be
/// read, or is too large, may have the name: the system's resolver is asked, for both families at
/// once.
///
/// Dropping the future gives the look-up up, as that of [`lookup`].
///
/// # Errors
/// As [`lookup`]; and that of the hosts file for HTTPS records, if it cannot be read.
pub async fn lookup_locally(question: &Question, hosts_file: bool) -> Option<Result<Vec<Record>, Error>> {
    let error = match locally(question, || hosts_file) {
        Local::Answer(answer) => return Some(answer),
        Local::Absent => return None,
        Local::Unusable(error) => error,
    };
    Some(match is_of_addresses(question.record_type) {
        true => ask_the_system(question.clone(), false).await,
        false => Err(Error::with_source(ErrorKind::Other, Unusable(error))
            .in_phase(Phase::Lookup)
            .advise("make it readable, and smaller than 8 MiB; or do not ask for HTTPS records")),
    })
}

/// The reason why the hosts file cannot be used.
#[derive(Debug)]
struct Unusable(io::Error);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the hosts file, which may have the name, cannot be used: {}", self.0)
    }
}

impl std::error::Error for Unusable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The answer for a name without a resolver.
enum Local {
    Answer(Result<Vec<Record>, Error>),
    Absent,
    /// The hosts file may have the name, and cannot be read.
    Unusable(io::Error),
}

fn locally(question: &Question, hosts_file: impl FnOnce() -> bool) -> Local {
    let Question { name, record_type } = question;
    let name = if is_of_addresses(*record_type) { &**name } else { host_of(name) };
    let found = match numeric(name) {
        Some(found) => found.map(|record| vec![record]),
        None => {
            let local = is_localhost(name);
            if !local && !hosts_file() {
                return Local::Absent;
            }
            let listed = match hosts() {
                Ok(hosts) => hosts.find(name),
                Err(_) if local => None,
                Err(error) => return Local::Unusable(error),
            };
            match listed.or_else(|| local.then(loopback)) {
                Some(found) => Ok(found),
                None => return Local::Absent,
            }
        }
    };
    Local::Answer(found.map(|found| of_type(preferred(found, *record_type), *record_type)))
}

/// Sets the number of look-ups of this process that may run at a time and are waited for. It is 64
/// unless this is called. As many again may be stuck after they were given up.
pub fn set_lookup_threads(limit: NonZeroUsize) {
    QUESTIONS.set_limit(limit);
}

fn is_of_addresses(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::Addresses | RecordType::A | RecordType::Aaaa)
}

/// Strips the labels of a service from its name, which leaves the host (RFC 9460, section 2.3).
fn host_of(name: &str) -> &str {
    let mut host = name;
    while let Some((label, rest)) = host.split_once('.')
        && label.starts_with('_')
    {
        host = rest;
    }
    host
}

fn of_type(mut found: Vec<Record>, record_type: RecordType) -> Vec<Record> {
    found.retain(|record| match record_type {
        RecordType::Addresses => true,
        RecordType::A => matches!(record, Record::A(_)),
        RecordType::Aaaa => matches!(record, Record::Aaaa(_) | Record::Scoped(..)),
        _ => false,
    });
    found
}

/// Sorts both families in the order in which they are to be tried: IPv6 first, unless the machine
/// has no route to its first address.
fn preferred(mut found: Vec<Record>, record_type: RecordType) -> Vec<Record> {
    let is_v4 = |record: &Record| matches!(record, Record::A(_));
    if record_type == RecordType::Addresses
        && let Some(first) = found.iter().find(|record| !is_v4(record)).and_then(|record| record.socket_addr(9))
    {
        let v4_first = first_is_unreachable(first);
        found.sort_by_key(|record| is_v4(record) != v4_first);
    }
    found
}

fn first_is_unreachable(to: SocketAddr) -> bool {
    local_address(to).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(name: &str, record_type: RecordType) -> Option<Result<Vec<Record>, Error>> {
        match locally(&Question { name: name.into(), record_type }, || true) {
            Local::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    #[test]
    fn hosts_of_services() {
        assert_eq!(host_of("_8443._https.host.test."), "host.test.");
        assert_eq!(host_of("host.test"), "host.test");
        assert_eq!(host_of("host._x.test"), "host._x.test");
        assert_eq!(host_of("_x"), "_x");
    }

    #[test]
    fn without_a_resolver() {
        let v4 = Record::A([192, 0, 2, 1].into());
        assert_eq!(local("192.0.2.1", RecordType::A).unwrap().unwrap(), std::slice::from_ref(&v4));
        assert_eq!(local("192.0.2.1", RecordType::Addresses).unwrap().unwrap(), [v4]);
        assert_eq!(local("192.0.2.1", RecordType::Aaaa).unwrap().unwrap(), []);
        let scoped = Record::Scoped("fe80::1".parse().unwrap(), 7);
        assert_eq!(local("fe80::1%7", RecordType::Aaaa).unwrap().unwrap(), [scoped]);
        assert_eq!(local("fe80::1%7", RecordType::A).unwrap().unwrap(), []);
        for record_type in [RecordType::A, RecordType::Aaaa, RecordType::Addresses] {
            let error = local("fe80::1%no-such-if", record_type).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
        }
        assert!(local("no-such-name.invalid", RecordType::A).is_none());
        for name in ["localhost", "_7._https.app.LOCALHOST."] {
            assert_eq!(local(name, RecordType::Https).unwrap().unwrap(), [], "{name}");
        }
        // Of a name that no hosts file has.
        let v4 = local("x.y.localhost", RecordType::A).unwrap().unwrap();
        let v6 = local("x.y.Localhost.", RecordType::Aaaa).unwrap().unwrap();
        assert_eq!((&v6[..], &v4[..]), (&loopback()[..1], &loopback()[1..]));
        let mut all = local("x.y.localhost", RecordType::Addresses).unwrap().unwrap();
        if first_is_unreachable(([0, 0, 0, 0, 0, 0, 0, 1], 9).into()) {
            all.reverse();
        }
        assert_eq!(all, loopback());
    }
}
