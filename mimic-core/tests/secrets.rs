//! No control character and no secret of an endpoint is printed, wherever it stands and whatever
//! goes wrong with it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::fmt::{Debug, Display};

use common::{JumpingClock, block_on, named};
use mimic_core::explain::PlanError;
use mimic_core::keys::{Deadline, Host, Path, Port, Query, User};
use mimic_core::needs::{is, over, req, when};
use mimic_core::roles::{
    Connect, HostPort, Listen, Lookup, Question, Record, RecordType, Tcp, TcpListen, Transport, Unix, UnixListen,
    UnixPath,
};
use mimic_core::{Context, Ctx, Endpoint, Error, ErrorKind, InOrder, Key, Phase, Schemes, Secret, Text};

/// Stands in every user, password and query below.
const SECRET: &str = "Zq7secret";

/// ESC, line feed, carriage return, BEL, NUL, DEL, two of C1 (NEL and CSI), an override and an
/// isolate of the order of letters, a mark without width, a line separator, a tag.
const CONTROLS: [char; 13] = [
    '\x1b',
    '\n',
    '\r',
    '\x07',
    '\0',
    '\x7f',
    '\u{85}',
    '\u{9b}',
    '\u{202e}',
    '\u{2066}',
    '\u{200f}',
    '\u{2028}',
    '\u{e0041}',
];

/// All of them, one after the other.
fn controls() -> String {
    CONTROLS.iter().collect()
}

/// The line feeds of a tree are its own.
#[track_caller]
fn assert_clean(what: &str, text: &str) {
    assert!(!text.contains(SECRET), "{what} shows a secret: {text}");
    let bad = |letter: &char| *letter != '\n' && CONTROLS.contains(letter);
    assert_eq!(text.chars().find(bad), None, "{what}: {text:?}");
}

#[track_caller]
fn assert_one_line(what: &str, text: &str) {
    assert_clean(what, text);
    assert!(!text.contains('\n'), "{what}: {text:?}");
}

/// Every form of it, on one line where it should be one.
#[track_caller]
fn printed<T: Debug + Display>(what: &str, value: &T) {
    assert_one_line(what, &value.to_string());
    assert_one_line(what, &format!("{value:?}"));
    assert_clean(what, &format!("{value:#}"));
    assert_clean(what, &format!("{value:#?}"));
}

#[track_caller]
fn error_is_clean(what: &str, error: &Error) {
    assert_one_line(what, &error.to_string());
    for text in [format!("{error:#}"), format!("{error:?}"), format!("{error:#?}")] {
        assert_clean(what, &text);
    }
    let parts = [error.at(), error.target(), error.via(), error.advice(), Some(&error.reason())];
    parts.into_iter().flatten().for_each(|part| assert_one_line(what, part));
    let Some(report) = error.report() else { return };
    assert_clean(what, &format!("{report} {report:?} {report:#?}"));
    for attempt in report.attempts() {
        printed(what, attempt);
        assert_one_line(what, attempt.target());
        assert_one_line(what, &format!("{:?}", attempt.outcome()));
    }
}

#[track_caller]
fn explanation_is_clean(what: &str, ctx: &Context) {
    for explained in [ctx.explain(Connect), ctx.explain(Listen)] {
        for text in [format!("{explained} {}", explained.dot()), format!("{explained:?} {explained:#?}")] {
            assert_clean(what, &text);
        }
        for goal in explained.goals() {
            assert_one_line(what, &goal.verdict.to_string());
            for choice in &goal.choices {
                assert_one_line(what, &choice.to_string());
                choice.inputs.iter().for_each(|input| assert_one_line(what, &input.need));
            }
        }
    }
    assert_clean(what, &format!("{ctx:?} {ctx:#?}"));
}

/// Everything fails, and tells of its target.
fn failing() -> Context {
    let refused = |target: String| async move {
        Err(Error::new(ErrorKind::ConnectionRefused, format!("{target} refuses")).in_phase(Phase::Connect))
    };
    Context::new()
        .install(Schemes)
        .install(InOrder)
        .register(Tcp, "link", 0, (), move |to, ()| refused(format!("{to}")))
        .register(Unix, "unix", 0, (), move |to: UnixPath, ()| {
            let path = String::from_utf8_lossy(to.as_bytes()).into_owned();
            refused(path)
        })
        .register(
            TcpListen,
            "bind",
            0,
            (),
            |at, ()| async move { Err(Error::new(ErrorKind::AddrInUse, format!("{at}"))) },
        )
        .register(UnixListen, "bind", 0, (), |at: UnixPath, ()| async move {
            Err(Error::new(ErrorKind::AddrInUse, String::from_utf8_lossy(at.as_bytes()).into_owned()))
        })
        .register(Lookup, "lookup", 0, (), |question: Question, ()| async move {
            Err(Error::new(ErrorKind::NotFound, format!("{} does not exist", question.name)).to_target(question.name))
        })
        // As a protocol would that reads them all.
        .register(
            Connect,
            "reader",
            0,
            when(is(mimic_core::keys::Scheme, "reads")).needs((
                req(User),
                req(mimic_core::keys::Password),
                req(Query),
                over(Transport),
            )),
            |(), (user, password, query, transport)| async move {
                let to = HostPort::new(format!("{user}{}{query}", password.expose()).len().to_string(), 1);
                transport.dial(to).await
            },
        )
        .register(Connect, "for one user", 1, when(is(User, "somebody")), |(), ()| async { named("") })
}

fn everything_of(what: &str, ctx: &Context) {
    explanation_is_clean(what, ctx);
    let connected = block_on(ctx.connect());
    error_is_clean(what, &connected.map(|_| "a flow").expect_err(what));
    error_is_clean(what, &block_on(ctx.listen()).map(|_| "a listener").expect_err(what));
}

#[test]
fn a_secret_is_not_printed_wherever_it_is_parsed() {
    let places = [
        "SCHEME://Zq7secret@host.example:7/path",
        "SCHEME://user:Zq7secret@host.example:7/path",
        "SCHEME://:Zq7secret@[fe80::1%25eth0]:7",
        "SCHEME://user:Zq7%73ecret@192.0.2.1",
        "SCHEME://host.example/path?Zq7secret",
        "SCHEME://Zq7secret:Zq7secret@host.example/?Zq7secret#Zq7secret",
        "SCHEME:/path?token=Zq7secret",
        "SCHEME:///path?token=Zq7secret",
    ];
    for scheme in ["tcp", "http", "unix", "gopher", "reads"] {
        for place in places {
            let url = place.replace("SCHEME", scheme);
            let endpoint: Endpoint = url.parse().unwrap();
            printed(&url, &endpoint);
            let ctx = failing().with_url(&url).unwrap();
            everything_of(&url, &ctx);
            let clock = JumpingClock::default();
            let timed = clock.install(ctx).with(Deadline, std::time::Duration::from_secs(1));
            everything_of(&url, &timed);
        }
    }
}

/// The same places, and something wrong somewhere.
#[test]
fn a_secret_is_not_printed_where_parsing_fails() {
    let wrong = ["", ":x", ":70000", ":7:7", "%41", "[", "]:7", " ", "\u{1b}", "é", "/%zz", "/%zz?a", "#%zz", "@"];
    for scheme in ["tcp://", "tcp:/", "tcp:", "", "1tcp://", "://"] {
        for wrong in wrong {
            for url in [
                format!("{scheme}user:Zq7secret@host{wrong}"),
                format!("{scheme}Zq7secret@host{wrong}"),
                format!("{scheme}user:{wrong}Zq7secret@host"),
                format!("{scheme}user:pass/{wrong}Zq7secret@host"),
                format!("{scheme}user:pass?{wrong}Zq7secret@host"),
                format!("{scheme}host{wrong}?Zq7secret"),
                format!("{scheme}host?Zq7secret{wrong}"),
                format!("{scheme}host?a@Zq7secret{wrong}"),
                format!("{scheme}[::1{wrong}]?Zq7secret"),
            ] {
                match url.parse::<Endpoint>() {
                    // What stands in a path is not user information, although it has an `@`.
                    Ok(endpoint) if endpoint.path.as_deref().is_some_and(|path| path.contains(SECRET)) => {}
                    Ok(endpoint) => printed(&url, &endpoint),
                    Err(error) => error_is_clean(&url, &error),
                }
            }
        }
    }
}

/// A password behind a colon and no `@`: the host was forgotten, or the `@` is encoded.
#[test]
fn a_secret_is_not_printed_where_the_port_should_stand() {
    for scheme in ["tcp://", "tcp:", "", "1tcp://", "://"] {
        for wrong in ["", ":x", ":7", "%41", "[", "]:7", " ", "\u{1b}", "é", "＠h", "/%zz", "/%zz?a", "#%zz", "?a"] {
            for url in [
                format!("{scheme}user:Zq7secret%40host{wrong}"),
                format!("{scheme}user:Zq7secret{wrong}"),
                format!("{scheme}:Zq7secret{wrong}"),
                format!("{scheme}user:7Zq7secret{wrong}"),
                format!("{scheme}user:é{wrong}Zq7secret"),
                format!("{scheme}[::1]:Zq7secret/{wrong}"),
                format!("{scheme}[::1]x:Zq7secret{wrong}"),
            ] {
                error_is_clean(&url, &url.parse::<Endpoint>().expect_err(&url));
            }
        }
    }
}

#[test]
fn control_characters_of_an_endpoint_are_escaped() {
    let encoded: String = controls().bytes().filter(|byte| *byte != 0).map(|byte| format!("%{byte:02x}")).collect();
    for url in [
        format!("unix:/x{encoded}"),
        format!("unix:/x{encoded}?q"),
        format!("unix:/x{encoded}%00"),
        format!("http://host.example/{encoded}?{encoded}"),
        format!("gopher:/{encoded}"),
    ] {
        everything_of(&url, &failing().with_url(&url).unwrap());
        printed(&url, &url.parse::<Endpoint>().unwrap());
    }
    for raw in CONTROLS {
        for url in [format!("tcp://h{raw}:7"), format!("{raw}tcp://h"), format!("unix:/{raw}"), format!("x://{raw}@h")]
        {
            error_is_clean(&url, &url.parse::<Endpoint>().unwrap_err());
        }
    }
    let path = UnixPath::decode(&format!("/x{}", encoded.replace("%00", ""))).unwrap();
    printed("a path", &path);
    error_is_clean("a path with NUL", &UnixPath::new(format!("/x{}", controls())).unwrap_err());
}

/// Not every value comes from an endpoint string: names come from records, configurations and
/// peers.
#[test]
fn control_characters_of_given_values_are_escaped() {
    let bad = format!("x{}", controls());
    let text = Text::from(&*bad);
    for scheme in ["tcp", "http", "unix", &*bad] {
        let ctx = failing().with(mimic_core::keys::Scheme, scheme.into()).with(Host, text.clone()).with(Port, 7);
        let ctx = ctx.with(Path, text.clone()).with(User, text.clone()).with(Query, text.clone());
        everything_of(scheme, &ctx);
        everything_of(scheme, &ctx.without(Host));
    }
    printed("a target", &HostPort::new(&*bad, 7));
    printed("an address", &HostPort::new(format!("fe80::1%{bad}"), 7));
    let question = Question { name: text.clone(), record_type: RecordType::Addresses };
    assert_one_line("a question", &format!("{question:?}"));
    let service = mimic_core::roles::Service {
        priority: 1,
        target: text.clone(),
        alpn: vec![bad.clone().into_bytes()],
        no_default_alpn: false,
        port: None,
        hints: Vec::new(),
        ech: false,
        unsupported: false,
    };
    assert_one_line("a record", &format!("{:?}", Record::Https(service)));
    let endpoint = Endpoint {
        scheme: text.clone(),
        user: Some(SECRET.into()),
        password: Some(SECRET.into()),
        host: Some(text.clone()),
        port: None,
        path: Some(text.clone()),
        query: Some(SECRET.into()),
    };
    printed("an endpoint made by hand", &endpoint);
    assert_one_line("a password", &format!("{:?} {0:#?}", Secret::from(SECRET)));
    assert_one_line("a text", &format!("{text:?}"));

    #[derive(Debug)]
    struct Theirs(String);
    impl Display for Theirs {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0)
        }
    }
    impl std::error::Error for Theirs {}
    let error = Error::with_source(ErrorKind::Other, Theirs(bad.clone())).located_at(bad.clone());
    error_is_clean("an error with a source", &error.to_target(&bad).advise(bad.clone()));
    error_is_clean("an error with a reason", &Error::new(ErrorKind::Other, bad.clone()));
    let plan = PlanError::Missing { need: "Host".into(), of: "Connect \"x\"".into() };
    error_is_clean("a plan", &plan.into());

    // Names of registrations, gates on values, and targets of roles of one's own.
    let ctx = Context::new()
        .with(Host, text.clone())
        .register(Connect, bad.clone(), 0, when(is(Host, "other")), |(), ()| async { named("") })
        .register(Connect, bad.clone(), 1, req(User), |(), _| async { named("") })
        .layer(Connect, bad.clone(), (), |(), below, ()| async move { below.dial(()).await });
    everything_of("registrations", &ctx);
    let dialled = Context::new()
        .register(Connect, "root", 0, over(Odd), |(), odd| async move { odd.dial(Raw(controls())).await })
        .register(Odd, bad.clone(), 0, (), |_: Raw, ()| async { Err(Error::new(ErrorKind::Other, "no")) })
        .layer(Odd, "hop", (), |_, below, ()| async move {
            below.dial(Raw(controls())).await?;
            Err(Error::new(ErrorKind::Other, "no"))
        });
    error_is_clean("a role of one's own", &block_on(dialled.connect()).map(|_| "a flow").unwrap_err());
    assert_clean("a dialer", &format!("{:?}", block_on(dialled.dialer(Odd)).unwrap()));
}

mimic_core::key! {
    /// Anyone may know it.
    pub Open: Text;
    /// Who asks.
    secret pub Token: Text;
    // One of this module alone, and one that is called as the word before it.
    secret Own: Text;
    #[allow(non_camel_case_types, reason = "that is the word")]
    secret: Text;
}

#[test]
fn a_key_of_ones_own_can_be_secret() {
    assert_eq!((Open::SECRET, Token::SECRET, Own::SECRET, secret::SECRET), (false, true, true, false));
    for (what, ctx) in
        [("a value", Context::new().with(Token, SECRET.into()).with(Own, SECRET.into())), ("no value", Context::new())]
    {
        let ctx = ctx
            .register(
                Connect,
                "for one token",
                0,
                when(is(Token, Text::from(SECRET.to_owned() + "?"))),
                |(), ()| async { named("") },
            )
            .register(Connect, "for another", 0, when(is(Own, Text::from(SECRET.to_owned() + "!"))), |(), ()| async {
                named("")
            });
        explanation_is_clean(what, &ctx);
        error_is_clean(what, &block_on(ctx.connect()).map(|_| "a flow").unwrap_err());
    }
    let ctx = Context::new().with(Open, "open".into());
    let ctx = ctx.register(Connect, "", 0, when(is(Open, "other")), |(), ()| async { named("") });
    assert!(ctx.explain(Connect).to_string().contains("Open is \"open\", not \"other\""));
}

/// A target that prints what it has.
#[derive(Clone)]
struct Raw(String);

impl Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

mimic_core::role! {
    /// A role of one's own.
    Odd: Raw;
}

/// What the client of a protocol needs is there.
#[test]
fn what_is_not_printed_can_be_read() {
    let ctx = Ctx::<mimic_core::Local>::new().with_url("x://u%1Fser@h").map(|_| ());
    assert!(ctx.is_err(), "a control character in a user");
    let ctx = Context::new().with_url("reads://us%C3%A9r:Zq7secret@h/p?Zq7secret").unwrap();
    assert_eq!(ctx.get(User).as_deref(), Some("usér"));
    assert_eq!(ctx.get(mimic_core::keys::Password).as_ref().map(Secret::expose), Some(SECRET));
    assert_eq!(ctx.get(Query).as_deref(), Some(SECRET));
}
