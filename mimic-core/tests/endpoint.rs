//! Endpoint strings: what is accepted, what is refused and how, and that printing and parsing agree.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use mimic_core::{
    Context, Endpoint, Error, ErrorKind, Host, HostPort, LocalContext, Path, Phase, Port, Scheme, UnixPath,
};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Endpoint, Error> {
    text.parse()
}

/// The error, which is always of one kind and phase, one short line, and comes with advice.
fn refused(text: &str) -> Error {
    let error = match parse(text) {
        Ok(endpoint) => panic!("{text:?} was accepted as {endpoint:?}"),
        Err(error) => error,
    };
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Endpoint)), "{text:?}");
    assert!(error.advice().is_some_and(|advice| !advice.is_empty()), "{text:?}: no advice");
    let line = error.to_string();
    assert!(line.len() < 400, "{} bytes for an error", line.len());
    assert!(!line.chars().any(char::is_control), "{line:?}");
    error
}

#[test]
fn accepted() {
    // What was written; scheme, host, port, path.
    type Parts<'a> = (&'a str, Option<&'a str>, Option<u16>, Option<&'a str>);
    #[rustfmt::skip]
    let table: &[(&str, Parts<'_>)] = &[
        ("tcp://example.org:7",            ("tcp", Some("example.org"), Some(7), None)),
        ("tcp://example.org:7/",           ("tcp", Some("example.org"), Some(7), Some("/"))),
        // No port: the scheme decides whether it has a default.
        ("tcp://example.org",              ("tcp", Some("example.org"), None, None)),
        ("http://example.org/",            ("http", Some("example.org"), None, Some("/"))),
        ("TCP://Example.ORG:80",           ("tcp", Some("example.org"), Some(80), None)),
        ("tcp://h:0",                      ("tcp", Some("h"), Some(0), None)),
        ("tcp://h:1",                      ("tcp", Some("h"), Some(1), None)),
        ("tcp://h:65535",                  ("tcp", Some("h"), Some(65535), None)),
        ("tcp://h:00080",                  ("tcp", Some("h"), Some(80), None)),
        ("tcp://192.0.2.7:7",              ("tcp", Some("192.0.2.7"), Some(7), None)),
        ("tcp://[::1]",                    ("tcp", Some("::1"), None, None)),
        ("tcp://[::1]:80",                 ("tcp", Some("::1"), Some(80), None)),
        ("tcp://[2001:DB8::A]:80/p",       ("tcp", Some("2001:db8::a"), Some(80), Some("/p"))),
        ("tcp://[::ffff:192.0.2.1]:1",     ("tcp", Some("::ffff:192.0.2.1"), Some(1), None)),
        ("tcp://_srv.a-b.xn--bcher-kva.example.:1", ("tcp", Some("_srv.a-b.xn--bcher-kva.example."), Some(1), None)),
        ("x+y-z.1://h",                    ("x+y-z.1", Some("h"), None, None)),
        ("http://h/a/b?c=d&e",             ("http", Some("h"), None, Some("/a/b?c=d&e"))),
        ("http://h/?",                     ("http", Some("h"), None, Some("/?"))),
        ("http://h?q",                     ("http", Some("h"), None, Some("/?q"))),
        ("http://h:1?q=a/b@c:d",           ("http", Some("h"), Some(1), Some("/?q=a/b@c:d"))),
        ("http://h/a#fragment",            ("http", Some("h"), None, Some("/a"))),
        ("http://h#fragment?/x",           ("http", Some("h"), None, None)),
        ("http://h/a?b#c?d#e%zz",          ("http", Some("h"), None, Some("/a?b"))),
        ("http://h/@a:b//c",               ("http", Some("h"), None, Some("/@a:b//c"))),
        ("http://h/%C3%a9%20",             ("http", Some("h"), None, Some("/%C3%a9%20"))),
        ("unix:/run/app.sock",             ("unix", None, None, Some("/run/app.sock"))),
        ("unix:///run/app.sock",           ("unix", None, None, Some("/run/app.sock"))),
        ("unix:////run/app.sock",          ("unix", None, None, Some("//run/app.sock"))),
        ("unix:/a%3Fb%23c%25",             ("unix", None, None, Some("/a%3Fb%23c%25"))),
        ("unix:/%ff",                      ("unix", None, None, Some("/%ff"))),
        ("unix:/",                         ("unix", None, None, Some("/"))),
        // A host where the scheme takes none: for the protocol to refuse.
        ("unix://run/app.sock",            ("unix", Some("run"), None, Some("/app.sock"))),
    ];
    for (text, parts) in table {
        let endpoint = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let Endpoint { scheme, host, port, path } = &endpoint;
        assert_eq!((&**scheme, host.as_deref(), *port, path.as_deref()), *parts, "{text}");
        assert_eq!(parse(&endpoint.to_string()).unwrap(), endpoint, "{text} -> {endpoint}");
    }
}

#[test]
fn prints_the_short_form() {
    for (text, printed) in [
        ("UNIX:///run/app.sock", "unix:/run/app.sock"),
        ("unix:////x", "unix:////x"),
        ("tcp://[2001:DB8::A]:080", "tcp://[2001:db8::a]:80"),
        ("http://h?q", "http://h/?q"),
        ("http://h/a#b", "http://h/a"),
    ] {
        assert_eq!(parse(text).unwrap().to_string(), printed);
    }
}

#[test]
fn refused_with_the_reason_and_what_to_write() {
    // What was written; what the reason must name; what the advice must show.
    #[rustfmt::skip]
    let table = [
        ("",                            "no scheme", "tcp://host:port"),
        ("localhost",                   "no scheme", "tcp://host:port"),
        ("/run/app.sock",               "no scheme", "unix:/path"),
        ("://h:80",                     "the scheme is not", "tcp://host:port"),
        ("//h:80",                      "the scheme is not", "tcp://host:port"),
        ("1tcp://h:80",                 "the scheme is not", "tcp://host:port"),
        ("t_cp://h:80",                 "the scheme is not", "tcp://host:port"),
        ("127.0.0.1:80",                "the scheme is not", "tcp://host:port"),
        ("[::1]:80",                    "the scheme is not", "tcp://host:port"),
        ("tcp:",                        "neither `//` nor `/`", "scheme://host:port"),
        ("tcp:localhost:80",            "neither `//` nor `/`", "scheme://host:port"),
        ("localhost:80",                "neither `//` nor `/`", "scheme://host:port"),
        ("unix:app.sock",               "neither `//` nor `/`", "scheme:/path"),
        (r"http:\\h",                   "neither `//` nor `/`", "scheme://host:port"),
        // Ports.
        ("tcp://h:70000",               "above 65535", "1 to 65535"),
        ("tcp://h:65536",               "above 65535", "1 to 65535"),
        ("tcp://h:99999999999999999999", "above 65535", "1 to 65535"),
        ("tcp://h:+80",                 "the port is not a number", "1 to 65535"),
        ("tcp://h:-1",                  "the port is not a number", "1 to 65535"),
        ("tcp://h:0x50",                "the port is not a number", "1 to 65535"),
        ("tcp://h:http",                "the port is not a number", "1 to 65535"),
        ("tcp://h:",                    "the port is empty", "1 to 65535"),
        ("tcp://h:/path",               "the port is empty", "1 to 65535"),
        ("tcp://[::1]:",                "the port is empty", "1 to 65535"),
        ("tcp://h:80:80",               "more than one `:`", "[::1]:port"),
        // Hosts.
        ("tcp://",                      "the host is empty", "scheme://host:port"),
        ("tcp://:80",                   "the host is empty", "scheme://host:port"),
        ("tcp://?q",                    "the host is empty", "scheme://host:port"),
        ("tcp://#f",                    "the host is empty", "scheme://host:port"),
        ("tcp://h%41:80",               "percent-encoded", "xn--"),
        ("tcp://a,b:80",                "','", "a name, an IPv4 address or `[IPv6]`"),
        (r"tcp://a\b:80",               r"'\\'", "a name, an IPv4 address or `[IPv6]`"),
        ("tcp://h]:80",                 "']'", "a name, an IPv4 address or `[IPv6]`"),
        ("tcp://bücher.example:80",     "'ü', which is not ASCII", "xn--"),
        ("tcp://xn--\u{202e}:80",       "'\\u{202e}', which is not ASCII", "xn--"),
        // IPv6.
        ("tcp://::1",                   "more than one `:`", "[::1]:port"),
        ("tcp://fe80::1:80",            "more than one `:`", "[::1]:port"),
        ("tcp://[::1",                  "not closed", "[::1]:port"),
        ("tcp://[]:80",                 "\"\" is not an IPv6 address", "brackets"),
        ("tcp://[192.0.2.1]:80",        "\"192.0.2.1\" is not an IPv6 address", "brackets"),
        ("tcp://[v1.x]:80",             "\"v1.x\" is not an IPv6 address", "brackets"),
        ("tcp://[::1]80",               "\"80\" follows the bracket", "[::1]:port"),
        ("tcp://[fe80::1%25eth0]:80",   "zone id \"eth0\"", "SocketAddrV6"),
        ("tcp://[fe80::1%eth0]",        "zone id \"eth0\"", "SocketAddrV6"),
        // User information.
        ("tcp://user@h:80",             "user information", "remove it"),
        ("tcp://@h:80",                 "user information", "remove it"),
        ("tcp://user:secret@[::1]:80",  "user information", "remove it"),
        // Characters.
        ("tcp://a b:80",                "a space", "%20"),
        (" tcp://h:80",                 "a space", "%20"),
        ("tcp://h:80 ",                 "a space", "%20"),
        ("unix:/a b",                   "a space", "%20"),
        ("tcp://h:80\n",                "'\\n'", "remove it"),
        ("tcp://h\t:80",                "'\\t'", "remove it"),
        ("unix:/a\0b",                  "'\\0'", "remove it"),
        ("unix:/a\x7fb",                "'\\u{7f}'", "remove it"),
        ("unix:/é",                     "'é', which is not ASCII", "percent-encode"),
        // Percent-encoding.
        ("unix:/%",                     "`%` is not followed", "%25"),
        ("unix:/%2",                    "`%` is not followed", "%25"),
        ("unix:/%zz",                   "`%` is not followed", "%25"),
        ("unix:/%+1",                   "`%` is not followed", "%25"),
        ("unix:/%%20",                  "`%` is not followed", "%25"),
        ("http://h/?a=%G0",             "`%` is not followed", "%25"),
        // A path alone.
        ("unix:/a?b",                   "no query", "%3F"),
        ("unix:///a#b",                 "no fragment", "%23"),
    ];
    for (text, reason, advice) in table {
        let error = refused(text);
        let line = error.to_string();
        assert!(line.contains(reason), "{text:?} should say {reason:?}: {line}");
        assert!(error.advice().unwrap().contains(advice), "{text:?} should advise {advice:?}: {line}");
    }
}

#[test]
fn an_error_shows_what_was_written() {
    assert!(refused("tcp://h:70000").to_string().starts_with("tcp://h:70000: bad endpoint: the port is above 65535"));
    assert_eq!(refused("tcp://h:80\n").target(), Some(r"tcp://h:80\n"));
}

#[test]
fn an_error_never_shows_a_password() {
    for text in [
        "tcp://user:hunter2@h:80",
        "tcp://user:hunter2@h:70000",
        "tcp://us er:hunter2@h",
        "tcp://user:pass/hunter2@h",
        "tcp://user:hunter2/word@h",
        "tcp://user:pass#hunter2@h",
        "tcp://user:p@ss:hunter2@h:80",
        "user:hunter2@h:80",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:#} {error:?}").contains("hunter2"), "{error}");
    }
    assert_eq!(refused("tcp://user:hunter2@h:80").target(), Some("tcp:…@h:80"));
    assert_eq!(refused("user@h:x").target(), Some("user@h:x"), "a name alone is none");
}

#[test]
fn a_megabyte_is_refused_in_short() {
    const MEGABYTE: usize = 1 << 20;
    let long = "a".repeat(MEGABYTE);
    for text in [
        format!("tcp://{long}:80"),
        format!("unix:/{long}"),
        long.clone(),
        "é".repeat(MEGABYTE / 2),
        ":".repeat(MEGABYTE),
    ] {
        let line = refused(&text).to_string();
        assert!(line.contains("the limit is 8192"), "{line}");
    }
}

#[test]
fn length_limits_are_exact() {
    let path = |n| format!("unix:/{}", "a".repeat(n - "unix:/".len()));
    assert!(parse(&path(Endpoint::MAX_LEN)).is_ok());
    assert!(refused(&path(Endpoint::MAX_LEN + 1)).to_string().contains("8193 bytes"));

    let host = |n| format!("tcp://{}:80", "a".repeat(n));
    assert!(parse(&host(253)).is_ok());
    assert!(refused(&host(254)).to_string().contains("254 bytes"));
}

#[test]
fn a_long_part_makes_no_long_message() {
    let long = "a".repeat(8000);
    for text in [
        format!("tcp://[{long}]:80"),
        format!("tcp://[::1]{long}"),
        format!("tcp://[::1%25{long}]"),
        format!("tcp://h:{long}"),
        format!("tcp://h:{}", "9".repeat(8000)),
        format!("tcp://{long}"),
        format!("{long}:x"),
        format!("unix:/{long}%"),
    ] {
        refused(&text);
    }
}

#[test]
fn a_unix_path_is_decoded_to_bytes() {
    for (path, bytes) in [
        ("/run/app.sock", &b"/run/app.sock"[..]),
        ("/a%20b%2Fc", b"/a b/c"),
        ("/%C3%A9", "/é".as_bytes()),
        ("/%ff%FE", b"/\xff\xfe"),
        ("/%25", b"/%"),
        ("/a+b", b"/a+b"),
    ] {
        assert_eq!(UnixPath::decode(path).unwrap().as_bytes(), bytes, "{path}");
    }
    assert_eq!(UnixPath::decode("/%ff").unwrap().to_string(), "/\u{fffd}");
}

#[test]
fn a_unix_path_without_meaning_is_refused() {
    for (path, reason) in [("", "empty"), ("/a%00b", "NUL"), ("/a\0", "NUL"), ("/%0", "`%`"), ("/%é", "`%`")] {
        let error = UnixPath::decode(path).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Endpoint)), "{path:?}");
        assert!(error.to_string().contains(reason), "{path:?}: {error}");
    }
    assert!(UnixPath::new(*b"").is_err());
    assert!(UnixPath::new(*b"\0abstract").is_err());
}

#[test]
fn with_url_sets_four_keys_and_clears_stale_ones() {
    let ctx = Context::new().with_url("http://Example.org:8080/a?b").unwrap();
    assert_eq!(ctx.get(Scheme).as_deref(), Some("http"));
    assert_eq!(ctx.get(Host).as_deref(), Some("example.org"));
    assert_eq!(ctx.get(Port), Some(8080));
    assert_eq!(ctx.get(Path).as_deref(), Some("/a?b"));

    // A redirect leaves neither port nor path behind.
    let ctx = ctx.with_url("https://other.example").unwrap();
    assert_eq!(ctx.get(Host).as_deref(), Some("other.example"));
    assert_eq!((ctx.get(Port), ctx.get(Path)), (None, None));

    let ctx = ctx.with_url("unix:/run/app.sock").unwrap();
    assert_eq!((ctx.get(Host), ctx.get(Port)), (None, None));
    assert_eq!(ctx.get(Path).as_deref(), Some("/run/app.sock"));
}

#[test]
fn with_url_is_the_same_in_local_mode_and_leaves_clones_alone() {
    let before = LocalContext::new().with_url("tcp://a:1").unwrap();
    let after = before.clone().with_url("tcp://b").unwrap();
    assert_eq!((before.get(Host).as_deref(), before.get(Port)), (Some("a"), Some(1)));
    assert_eq!((after.get(Host).as_deref(), after.get(Port)), (Some("b"), None));
    assert!(before.with_url("tcp://b:").is_err());
}

#[test]
fn a_host_and_port_print_as_in_an_endpoint() {
    for (host, port, printed, addr) in [
        ("example.org", 80, "example.org:80", None),
        ("192.0.2.1", 80, "192.0.2.1:80", Some("192.0.2.1:80")),
        ("::1", 80, "[::1]:80", Some("[::1]:80")),
    ] {
        let target = HostPort::new(host, port);
        assert_eq!(target.to_string(), printed);
        assert_eq!(target.as_addr(), addr.map(|addr| addr.parse().unwrap()));
    }
}

/// Strings that look enough like endpoints to get far into the parser.
fn likely() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("tcp"),
        Just("unix"),
        Just(":"),
        Just("//"),
        Just("/"),
        Just("?"),
        Just("#"),
        Just("@"),
        Just("["),
        Just("]"),
        Just("::1"),
        Just("%25"),
        Just("%"),
        Just("%2F"),
        Just("example.org"),
        Just("80"),
        Just("0"),
        Just("70000"),
        Just("."),
        Just("é"),
        Just(" "),
        Just("\0"),
        Just("A"),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Strings of the grammar.
fn valid() -> impl Strategy<Value = String> {
    let scheme = "[a-zA-Z][a-zA-Z0-9+.-]{0,8}";
    let host = prop_oneof!["[a-zA-Z0-9._-]{1,20}", any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]"))];
    let port = prop_oneof![Just(String::new()), any::<u16>().prop_map(|port| format!(":{port}"))];
    let tail = "(/([!-\"$&-~]|%[0-9a-fA-F]{2}){0,20})?([?]([!-\"$&-~]|%[0-9a-fA-F]{2}){0,8})?(#[!-~]{0,8})?";
    // A path alone has no query; two slashes at its start would make it a host unless two more stand before them.
    let short = "/([!-\"$&-.0->@-~]([!-\"$&->@-~]|%[0-9a-fA-F]{2}){0,20})?";
    let full = "///?([!-\"$&->@-~]|%[0-9a-fA-F]{2}){0,20}";
    let authority = (host, port, tail).prop_map(|(host, port, tail)| format!("//{host}{port}{tail}"));
    let alone = prop_oneof![short, full.prop_map(|path| format!("//{path}"))];
    (scheme, prop_oneof![authority, alone]).prop_map(|(scheme, rest)| format!("{scheme}:{rest}"))
}

fn round_trips(endpoint: &Endpoint) -> Result<(), TestCaseError> {
    let printed = endpoint.to_string();
    let again = parse(&printed).map_err(|error| TestCaseError::fail(format!("{endpoint:?}: {error}")))?;
    prop_assert_eq!(&again, endpoint);
    prop_assert_eq!(again.to_string(), printed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_parses_prints_to_what_parses_to_the_same(text in prop_oneof![likely(), valid()]) {
        if let Ok(endpoint) = parse(&text) {
            round_trips(&endpoint)?;
        }
    }

    #[test]
    fn the_grammar_is_accepted(text in valid()) {
        if let Err(error) = parse(&text) {
            prop_assert!(false, "{}", error);
        }
    }

    #[test]
    fn no_string_panics(text in any::<String>()) {
        if let Ok(endpoint) = parse(&text) {
            round_trips(&endpoint)?;
        }
        let _ = UnixPath::decode(&text);
    }
}
