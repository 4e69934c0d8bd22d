//! Rows of HTTP clients: by mimic's connector, against those that hyper-util and hyper-rustls have.

use hyper::Version;
use mimic_speed::http::{Asked, Over, Servers, ask, hyper_util};

use crate::measure::Pairs;
use crate::table::{Goal, Row, Table};

const PARTS: u32 = 4;

pub(crate) fn rows(table: &mut Table) {
    let works = [(Over::Tcp, "HTTP/1.1"), (Over::Tls, "HTTP/1.1 over TLS 1.3"), (Over::Http2, "HTTP/2 over TLS 1.3")];
    let mut servers = None;
    for (over, name) in works {
        row(table, &mut servers, &format!("a request, {name}, kept alive"), 101, over, 64, 500, true);
        row(table, &mut servers, &format!("a request, {name}, a connection each"), 51, over, 64, 25, false);
        row(table, &mut servers, &format!("a body of 1 MiB, {name}"), 51, over, 1 << 20, 40, true);
    }
}

#[allow(clippy::too_many_arguments, reason = "a row has so many sides")]
fn row(
    table: &mut Table,
    servers: &mut Option<Servers>,
    work: &str,
    rounds: usize,
    over: Over,
    bytes: usize,
    count: u32,
    kept: bool,
) {
    // HTTP/2 is for many requests by one connection.
    if !table.wants(work) || (over == Over::Http2 && !kept) {
        return;
    }
    let servers = servers.get_or_insert_with(Servers::start);
    let version = if over == Over::Http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    let asked = Asked { uri: servers.uri(over, bytes), version, count, kept };
    let (mimic, hyper_rustls) = (servers.mimic(over), servers.hyper_rustls(over));
    let theirs = || match over {
        Over::Tcp => ask(&hyper_util(), &asked),
        Over::Tls | Over::Http2 => ask(&hyper_rustls, &asked),
    };
    let pairs = Pairs::in_parts(rounds, PARTS, || ask(&mimic, &asked), theirs);
    let shown = |seconds: f64| format!("{:.0} /s", f64::from(count) / seconds);
    // Less time is more throughput.
    let [low, value, high] = pairs.ratio();
    table.add(Row {
        work: work.into(),
        mimic: shown(pairs.ours()),
        baseline: shown(pairs.theirs()),
        value: 1.0 / value,
        spread: Some(([1.0 / high, 1.0 / low], pairs.count())),
        unit: "of the throughput",
        goal: Goal::AtLeast(0.97),
    });
}
