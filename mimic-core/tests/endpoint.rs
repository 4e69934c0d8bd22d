//! Endpoint strings: what is accepted, what is refused and how, and that printing and parsing
//! agree.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use mimic_core::adapter::percent_decode;
use mimic_core::keys::{Host, Password, Path, Port, Query, Scheme, User};
use mimic_core::roles::{HostPort, UnixPath};
use mimic_core::{Context, Endpoint, Error, ErrorKind, LocalContext, Phase, Secret, Text};
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
    // What was written; scheme, host, port, path, query.
    type Parts<'a> = (&'a str, Option<&'a str>, Option<u16>, Option<&'a str>, Option<&'a str>);
    let long = format!("{}.{}.{}.{}.", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    let rooted = format!("tcp://{long}:1");
    assert_eq!(long.len(), 254);
    #[rustfmt::skip]
    let table: &[(&str, Parts<'_>)] = &[
        ("tcp://example.org:7",            ("tcp", Some("example.org"), Some(7), None, None)),
        ("tcp://example.org:7/",           ("tcp", Some("example.org"), Some(7), Some("/"), None)),
        // No port: the scheme decides whether it has a default.
        ("tcp://example.org",              ("tcp", Some("example.org"), None, None, None)),
        ("http://example.org/",            ("http", Some("example.org"), None, Some("/"), None)),
        ("TCP://Example.ORG:80",           ("tcp", Some("example.org"), Some(80), None, None)),
        ("tcp://h:0",                      ("tcp", Some("h"), Some(0), None, None)),
        ("tcp://h:1",                      ("tcp", Some("h"), Some(1), None, None)),
        ("tcp://h:65535",                  ("tcp", Some("h"), Some(65535), None, None)),
        ("tcp://h:00080",                  ("tcp", Some("h"), Some(80), None, None)),
        // An empty one is none (RFC 3986, section 3.2.3).
        ("http://h:",                      ("http", Some("h"), None, None, None)),
        ("http://h:/",                     ("http", Some("h"), None, Some("/"), None)),
        ("http://h:?q",                    ("http", Some("h"), None, None, Some("q"))),
        ("tcp://[::1]:",                   ("tcp", Some("::1"), None, None, None)),
        ("tcp://192.0.2.7:7",              ("tcp", Some("192.0.2.7"), Some(7), None, None)),
        ("tcp://[::1]",                    ("tcp", Some("::1"), None, None, None)),
        ("tcp://[::1]:80",                 ("tcp", Some("::1"), Some(80), None, None)),
        ("tcp://[2001:DB8::A]:80/p",       ("tcp", Some("2001:db8::a"), Some(80), Some("/p"), None)),
        ("tcp://[::ffff:192.0.2.1]:1",     ("tcp", Some("::ffff:192.0.2.1"), Some(1), None, None)),
        ("tcp://_srv.a-b.xn--bcher-kva.example.:1", ("tcp", Some("_srv.a-b.xn--bcher-kva.example."), Some(1), None, None)),
        // The dot of the root does not count.
        (&rooted,                          ("tcp", Some(&long), Some(1), None, None)),
        // Delimiters within a component, and all that is unreserved (sections 2.2, 3.2.2).
        ("x://a!$&'()*+,;=~-._z:1",        ("x", Some("a!$&'()*+,;=~-._z"), Some(1), None, None)),
        ("x+y-z.1://h",                    ("x+y-z.1", Some("h"), None, None, None)),
        ("http://h/a/b?c=d&e",             ("http", Some("h"), None, Some("/a/b"), Some("c=d&e"))),
        ("http://h/?",                     ("http", Some("h"), None, Some("/"), Some(""))),
        ("http://h?q",                     ("http", Some("h"), None, None, Some("q"))),
        ("http://h:1?q=a/b@c:d",           ("http", Some("h"), Some(1), None, Some("q=a/b@c:d"))),
        ("http://h/a?b?c/d",               ("http", Some("h"), None, Some("/a"), Some("b?c/d"))),
        ("http://h/a#fragment",            ("http", Some("h"), None, Some("/a"), None)),
        ("http://h#fragment?/x",           ("http", Some("h"), None, None, None)),
        ("http://h/a?b#c?d#e%zz",          ("http", Some("h"), None, Some("/a"), Some("b"))),
        ("http://h/@a:b//c",               ("http", Some("h"), None, Some("/@a:b//c"), None)),
        ("http://h/%C3%a9%20",             ("http", Some("h"), None, Some("/%C3%a9%20"), None)),
        ("unix:/run/app.sock",             ("unix", None, None, Some("/run/app.sock"), None)),
        ("unix:///run/app.sock",           ("unix", None, None, Some("/run/app.sock"), None)),
        ("unix:////run/app.sock",          ("unix", None, None, Some("//run/app.sock"), None)),
        ("unix:/a%3Fb%23c%25",             ("unix", None, None, Some("/a%3Fb%23c%25"), None)),
        ("unix:/%ff",                      ("unix", None, None, Some("/%ff"), None)),
        ("unix:/",                         ("unix", None, None, Some("/"), None)),
        // A query without a host.
        ("serial:///dev/ttyUSB0?baud=115200", ("serial", None, None, Some("/dev/ttyUSB0"), Some("baud=115200"))),
        ("serial:/dev/ttyUSB0?baud=115200", ("serial", None, None, Some("/dev/ttyUSB0"), Some("baud=115200"))),
        // A host where the scheme takes none: for the protocol to refuse.
        ("unix://run/app.sock",            ("unix", Some("run"), None, Some("/app.sock"), None)),
        // Zones (RFC 6874), and as people write them. The name of an interface keeps its case.
        ("tcp://[fe80::1%25eth0]:7",       ("tcp", Some("fe80::1%eth0"), Some(7), None, None)),
        ("tcp://[FE80::A%eth0]",           ("tcp", Some("fe80::a%eth0"), None, None, None)),
        ("tcp://[fe80::1%25En-0._~]/p",    ("tcp", Some("fe80::1%En-0._~"), None, Some("/p"), None)),
        ("tcp://[fe80::1%2]:7",            ("tcp", Some("fe80::1%2"), Some(7), None, None)),
        ("tcp://[fe80::1%252]:7",          ("tcp", Some("fe80::1%2"), Some(7), None, None)),
        ("tcp://[fe80::1%25]:7",           ("tcp", Some("fe80::1%25"), Some(7), None, None)),
        ("tcp://[fe80::1%2525]:7",         ("tcp", Some("fe80::1%25"), Some(7), None, None)),
        ("tcp://[fe80::1%252512]:7",       ("tcp", Some("fe80::1%2512"), Some(7), None, None)),
    ];
    for (text, parts) in table {
        let endpoint = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let Endpoint { scheme, user: None, password: None, host, port, path, query } = &endpoint else {
            panic!("{text} has no user information")
        };
        assert_eq!((&**scheme, host.as_deref(), *port, path.as_deref(), query.as_deref()), *parts, "{text}");
        if query.as_deref().unwrap_or_default().is_empty() {
            assert_eq!(parse(&endpoint.to_string()).unwrap(), endpoint, "{text} -> {endpoint}");
        }
    }
}

#[test]
fn user_information_is_decoded() {
    #[rustfmt::skip]
    let table = [
        ("ssh://git@host/repo.git",   Some("git"), None),
        ("redis://:pw@host",          None, Some("pw")),
        ("redis://:pw@[::1]:6379/0",  None, Some("pw")),
        ("x://user:pa:ss:@host",      Some("user"), Some("pa:ss:")),
        ("x://u%40%3A%2F:p%40%C3%A9%25@host:1", Some("u@:/"), Some("p@é%")),
        ("x://a!$&'()*+,;=~-._z@host", Some("a!$&'()*+,;=~-._z"), None),
        // Empty is none.
        ("x://@host",                 None, None),
        ("x://:@host",                None, None),
        ("x://user:@host",            Some("user"), None),
    ];
    for (text, user, password) in table {
        let endpoint = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(endpoint.user.as_deref(), user, "{text}");
        assert_eq!(endpoint.password.as_ref().map(Secret::expose), password, "{text}");
        assert!(endpoint.host.as_deref().is_some_and(|host| host == "host" || host == "::1"), "{text}");
        let ctx = Context::new().with_url(text).unwrap();
        assert_eq!((ctx.get(User), ctx.get(Password)), (user.map(Text::from), password.map(Secret::from)), "{text}");
    }
}

#[test]
fn prints_the_short_form() {
    for (text, printed) in [
        ("UNIX:///run/app.sock", "unix:/run/app.sock"),
        ("unix:////x", "unix:////x"),
        ("tcp://[2001:DB8::A]:080", "tcp://[2001:db8::a]:80"),
        ("tcp://[fe80::1%2]:80", "tcp://[fe80::1%252]:80"),
        ("tcp://h:", "tcp://h"),
        ("http://h/a#b", "http://h/a"),
        ("http://h/?", "http://h/?"),
        // What may be a secret is not printed, and what is printed for it is not parsed.
        ("http://h/a?b=c", "http://h/a?…"),
        ("http://user@h:1", "http://…@h:1"),
        ("http://:password@h:1/a?b", "http://…@h:1/a?…"),
    ] {
        let endpoint = parse(text).unwrap();
        assert_eq!((endpoint.to_string(), format!("{endpoint:?}")), (printed.into(), printed.into()));
        assert_eq!(parse(printed).is_err(), printed.contains('…'), "{printed}");
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
        ("tcp://h:70000",               "above 65535", "0 to 65535"),
        ("tcp://h:65536",               "above 65535", "0 to 65535"),
        ("tcp://h:99999999999999999999", "above 65535", "0 to 65535"),
        ("tcp://h:+80",                 "the port is not a number", "0 to 65535"),
        ("tcp://h:-1",                  "the port is not a number", "0 to 65535"),
        ("tcp://h:0x50",                "the port is not a number", "0 to 65535"),
        ("tcp://h:http",                "the port is not a number", "0 to 65535"),
        ("tcp://h:80:80",               "more than one `:`", "[::1]:port"),
        // Hosts.
        ("tcp://",                      "the host is empty", "scheme://host:port"),
        ("tcp://:80",                   "the host is empty", "scheme://host:port"),
        ("tcp://?q",                    "the host is empty", "scheme://host:port"),
        ("tcp://#f",                    "the host is empty", "scheme://host:port"),
        ("tcp://h%41:80",               "percent-encoded", "xn--"),
        (r"tcp://a\b:80",               r"'\\'", "a name, an IPv4 address or `[IPv6]`"),
        ("tcp://h]:80",                 "']'", "a name, an IPv4 address or `[IPv6]`"),
        ("tcp://bücher.example:80",     "outside ASCII: 'ü'", "xn--"),
        ("tcp://xn--\u{202e}:80",       "outside ASCII: '\\u{202e}'", "xn--"),
        // IPv6.
        ("tcp://::1",                   "more than one `:`", "[::1]:port"),
        ("tcp://fe80::1:80",            "more than one `:`", "[::1]:port"),
        ("tcp://[::1",                  "not closed", "[::1]:port"),
        ("tcp://[]:80",                 "\"\" is not an IPv6 address", "brackets"),
        ("tcp://[192.0.2.1]:80",        "\"192.0.2.1\" is not an IPv6 address", "brackets"),
        ("tcp://[v1.x]:80",             "\"v1.x\" is not an IPv6 address", "brackets"),
        ("tcp://[::1]80",               "\"80\" follows the bracket", "[::1]:port"),
        ("tcp://[fe80::1%]:80",         "\"\" is not a zone", "%25eth0"),
        ("tcp://[fe80::1%25a%20b]:80",  "\"a%20b\" is not a zone", "%25eth0"),
        ("tcp://[fe80::1%a/b]:80",      "not closed", "[::1]:port"),
        ("tcp://[h%25eth0]:80",         "\"h\" is not an IPv6 address", "brackets"),
        ("tcp://h%25eth0:80",           "percent-encoded", "xn--"),
        // User information.
        ("tcp://a@b@h:80",              "percent-encoded", "`@` as `%40`"),
        ("tcp://a[b@h:80",              "percent-encoded", "`@` as `%40`"),
        ("tcp://us er@h",               "a space", "%20"),
        ("tcp://a%0Ab@h:80",            "a control character", "text"),
        ("tcp://a:b%C2%9B@h:80",        "a control character", "text"),
        ("tcp://a:%ff@h:80",            "not UTF-8", "UTF-8"),
        ("tcp://a%4@h:80",              "`%` is not followed", "%25"),
        ("tcp://user@",                 "the host is empty", "scheme://host:port"),
        ("tcp://user@:80",              "the host is empty", "scheme://host:port"),
        // Characters.
        ("tcp://a b:80",                "a space", "%20"),
        (" tcp://h:80",                 "a space", "%20"),
        ("tcp://h:80 ",                 "a space", "%20"),
        ("unix:/a b",                   "a space", "%20"),
        ("tcp://h:80\n",                "'\\n'", "remove it"),
        ("tcp://h\t:80",                "'\\t'", "remove it"),
        ("unix:/a\0b",                  "'\\0'", "remove it"),
        ("unix:/a\x7fb",                "'\\u{7f}'", "remove it"),
        ("unix:/é",                     "outside ASCII: 'é'", "percent-encode"),
        // Percent-encoding.
        ("unix:/%",                     "`%` is not followed", "%25"),
        ("unix:/%2",                    "`%` is not followed", "%25"),
        ("unix:/%zz",                   "`%` is not followed", "%25"),
        ("unix:/%+1",                   "`%` is not followed", "%25"),
        ("unix:/%%20",                  "`%` is not followed", "%25"),
        ("http://h/?a=%G0",             "`%` is not followed", "%25"),
        // A path alone.
        ("unix:///a#b",                 "no fragment", "%23"),
        ("unix:/a?b#c",                 "no fragment", "%23"),
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
    for text in ["127.0.0.1:80", "localhost:80", "[::1]:80", "//h:80", "tcp://[x]:80", "tcp://ü:80"] {
        assert_eq!(refused(text).target(), Some(text));
    }
    // An empty string is not shown as an empty target.
    assert_eq!(refused("").target(), None);
    assert!(refused("").to_string().starts_with("bad endpoint: it has no scheme"));
    for text in ["localhost:7007", "unix:app.sock"] {
        assert!(refused(text).to_string().contains("it has no scheme, or neither `//` nor `/` follows it"), "{text}");
    }
}

/// Whatever is wrong, and wherever a secret may have been meant to stand.
#[test]
fn an_error_never_shows_a_secret() {
    const SECRET: &str = "hunter2";
    for text in [
        "tcp://user:hunter2@h:70000",
        "tcp://hunter2@h:70000",
        "tcp://us er:hunter2@h",
        "tcp://user:pass/hunter2@h",
        "tcp://user:hunter2/word@h",
        "tcp://user:pass#hunter2@h",
        "tcp://user:pass?hunter2@h",
        "tcp://user:p@ss:hunter2@h:80",
        "tcp://[hunter2]x/y@h",
        "tcp://[::1]hunter2/y@h",
        "tcp://[::1%hunter2+]/y@h",
        "tcp://user:hunter2%0a@h",
        "user:hunter2@h:80",
        "hunter2:password@h:80",
        "hunter2@h:80",
        "tcp:hunter2@h:80",
        "user@hunter2://h@x",
        "http://h:70000/?hunter2",
        "http://h/?token=a@hunter2%zz",
        "http://h/?token=hunter2\n",
        "http://h/?hunter2=é",
        "http://a b/#token=hunter2",
        "h?token=hunter2",
        // Where the port should stand.
        "tcp://user:hunter2%40host",
        "tcp://user:hunter2",
        "redis://:hunter2",
        "tcp://user:hunter2＠h",
        "tcp://user:hunter2:80",
        "tcp://user:pass/hunter2",
        "tcp://user:80hunter2\n",
        "tcp://user:hunter2?q",
        "tcp://[::1]:hunter2",
        "tcp://[::1]x:hunter2",
        "tcp://[user:hunter2",
        "user:hunter2",
        "//user:hunter2",
        "user:hunter2/x",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:#} {error:?}").contains(SECRET), "{error}");
    }
    for (text, shown) in [
        ("tcp://user:hunter2@h:x", "tcp://…@h:x"),
        ("user@h:x", "…@h:x"),
        ("tcp://user:hunter2%40h", "tcp://user:…"),
        ("redis://:hunter2", "redis://:…"),
        ("http://h:x/a?b", "http://h:…?…"),
        ("http://h:70000/a:b", "http://h:70000/a:b"),
        ("tcp://[::1]:x", "tcp://[::1]:…"),
        ("tcp://fe80::1:80", "tcp://fe80:…"),
        ("tcp://[::1", "tcp://[:…"),
        ("http://u@h:x/a?b", "http://…@h:x/a…"),
        ("http://h:x/?a@b", "http://…"),
        ("unix:/a%?", "unix:/a%?"),
    ] {
        assert_eq!(refused(text).target(), Some(shown));
    }
    // Nor one of its characters.
    for text in ["tcp://ü:password@h", "http://h/?ü", "tcp://^/password@h", "tcp://h/\u{7}@h", "tcp://u:ü", "u:\u{7}"]
    {
        let error = refused(text).to_string();
        assert!(!error.contains('\''), "{error}");
    }
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
    let rooted = |n| format!("tcp://{}.:80", "a".repeat(n));
    assert!(parse(&rooted(253)).is_ok());
    assert!(refused(&rooted(254)).to_string().contains("254 bytes"));
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
        format!("x://{long}:{long}@h:x"),
        format!("x://h:x/?{long}"),
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
fn a_part_that_stays_encoded_can_be_decoded() {
    for (text, bytes) in [("", &b""[..]), ("a%26b=%C3%A9", "a&b=é".as_bytes()), ("a+b", b"a+b"), ("%00%ff", b"\0\xff")]
    {
        assert_eq!(percent_decode(text).unwrap(), bytes, "{text}");
    }
    for text in ["token=hunter2%", "token=hunter2%4", "%zzhunter2"] {
        let error = percent_decode(text).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Endpoint)));
        assert!(error.advice().is_some() && !format!("{error:?}").contains("hunter2"), "{error}");
    }
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
fn with_url_sets_seven_keys_and_clears_stale_ones() {
    let ctx = Context::new().with_url("http://user:pw@Example.org:8080/a?b").unwrap();
    assert_eq!(ctx.get(Scheme).as_deref(), Some("http"));
    assert_eq!((ctx.get(User).as_deref(), ctx.get(Password)), (Some("user"), Some("pw".into())));
    assert_eq!(ctx.get(Host).as_deref(), Some("example.org"));
    assert_eq!(ctx.get(Port), Some(8080));
    assert_eq!((ctx.get(Path).as_deref(), ctx.get(Query).as_deref()), (Some("/a"), Some("b")));

    // A redirect leaves neither port nor path behind, and no password.
    let ctx = ctx.with_url("https://other.example").unwrap();
    assert_eq!(ctx.get(Host).as_deref(), Some("other.example"));
    assert_eq!((ctx.get(Port), ctx.get(Path), ctx.get(Query)), (None, None, None));
    assert_eq!((ctx.get(User), ctx.get(Password)), (None, None));

    let ctx = ctx.with_url("unix:/run/app.sock").unwrap();
    assert_eq!((ctx.get(Host), ctx.get(Port)), (None, None));
    assert_eq!(ctx.get(Path).as_deref(), Some("/run/app.sock"));
}

#[test]
fn a_password_prints_nothing_and_compares() {
    let (password, same, other) = (Secret::from("pw"), Secret::from(String::from("pw")), Secret::from("pW"));
    assert_eq!(format!("{password:?} {password:#?}"), "… …");
    assert!(password == same && password != other && password.clone().expose() == "pw");
    let hashes = std::collections::HashSet::from([password, same, other]);
    assert_eq!(hashes.len(), 2);
}

#[test]
fn with_url_is_the_same_in_local_mode_and_leaves_clones_alone() {
    let before = LocalContext::new().with_url("tcp://a:1").unwrap();
    let after = before.clone().with_url("tcp://b").unwrap();
    assert_eq!((before.get(Host).as_deref(), before.get(Port)), (Some("a"), Some(1)));
    assert_eq!((after.get(Host).as_deref(), after.get(Port)), (Some("b"), None));
    assert!(before.with_url("tcp://b:x").is_err());
}

#[test]
fn a_host_and_port_print_as_in_an_endpoint() {
    for (host, port, printed, addr) in [
        ("example.org", 80, "example.org:80", None),
        ("192.0.2.1", 80, "192.0.2.1:80", Some("192.0.2.1:80")),
        ("::1", 80, "[::1]:80", Some("[::1]:80")),
        ("fe80::1%2", 80, "[fe80::1%252]:80", Some("[fe80::1%2]:80")),
        ("fe80::1%25", 80, "[fe80::1%2525]:80", Some("[fe80::1%25]:80")),
        // What interface that is, only the system knows.
        ("fe80::1%eth0", 80, "[fe80::1%25eth0]:80", None),
        ("fe80::1%+2", 80, "[fe80::1%25+2]:80", None),
        ("fe80::1%4294967296", 80, "[fe80::1%254294967296]:80", None),
        ("fe80::1%", 80, "[fe80::1%25]:80", None),
        ("127.0.0.1%2", 80, "127.0.0.1%2:80", None),
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
        Just("%eth0"),
        Just("fe80::1"),
        Just("user"),
        Just("pw"),
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
    let user = "(([a-zA-Z0-9._~!$&'()*+,;=:-]|%[2-7][0-9a-eA-E]){0,9}@)?";
    let zone = "(%25[a-zA-Z0-9._~-]{1,8}|%[a-zA-Z0-9._~-]{1,8})?";
    let bracketed = (any::<std::net::Ipv6Addr>(), zone).prop_map(|(ip, zone)| format!("[{ip}{zone}]"));
    let host = prop_oneof!["[a-zA-Z0-9._~!$&'()*+,;=-]{1,20}".prop_map(|name| name), bracketed];
    let port =
        prop_oneof![Just(String::new()), Just(String::from(":")), any::<u16>().prop_map(|port| format!(":{port}"))];
    let query = "([?]([!-\"$&-~]|%[0-9a-fA-F]{2}){0,8})?";
    let path = "(/([!-\"$&->@-~]|%[0-9a-fA-F]{2}){0,20})?";
    let fragment = "(#[!-~]{0,8})?";
    // Two slashes at the start of a path alone would make it a host unless two more stand before
    // them.
    let short = "/([!-\"$&-.0->@-~]([!-\"$&->@-~]|%[0-9a-fA-F]{2}){0,20})?";
    let full = "///?([!-\"$&->@-~]|%[0-9a-fA-F]{2}){0,20}";
    let authority = (user, host, port, path, query, fragment)
        .prop_map(|(user, host, port, path, query, end)| format!("//{user}{host}{port}{path}{query}{end}"));
    let alone = prop_oneof![short, full.prop_map(|path| format!("//{path}"))];
    let alone = (alone, query).prop_map(|(path, query)| path + &query);
    (scheme, prop_oneof![authority, alone]).prop_map(|(scheme, rest)| format!("{scheme}:{rest}"))
}

fn round_trips(endpoint: &Endpoint) -> Result<(), TestCaseError> {
    let printed = endpoint.to_string();
    if printed.contains('…') {
        // Nothing was lost in silence.
        prop_assert!(parse(&printed).is_err());
        return Ok(());
    }
    let again = parse(&printed).map_err(|error| TestCaseError::fail(format!("{endpoint:?}: {error}")))?;
    prop_assert_eq!(&again, endpoint);
    prop_assert_eq!(again.to_string(), printed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_parses_prints_to_what_parses_to_the_same_or_not_at_all(text in prop_oneof![likely(), valid()]) {
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
