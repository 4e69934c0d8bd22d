//! Endpoint strings: whatever is parsed means what was written, and prints as something that is
//! parsed alike.

use mimic_core::keys::{Host, Password, Path, Port, Query, Scheme, User};
use mimic_core::{Context, Endpoint, ErrorKind, Phase, Secret, Text};

/// An endpoint string, as bytes.
pub fn endpoint(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let before = Context::new().with_url("old://old:old@old.example:1/old?old").unwrap();
    let ctx = before.with_url(&text);
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            means(&endpoint, &text);
            let printed = endpoint.to_string();
            let hides =
                endpoint.user.is_some() || endpoint.password.is_some() || endpoint.query.as_deref().is_some_and(filled);
            match printed.parse::<Endpoint>() {
                Ok(again) => assert_eq!(again, endpoint, "{printed:?} of {text:?}"),
                Err(error) => assert!(hides, "{printed:?} of {text:?}: {error}"),
            }
            assert_eq!(hides, printed.contains('…'), "{printed:?} of {text:?}");
            let ctx = ctx.expect("what is parsed is taken");
            assert_eq!(ctx.get(Scheme), Some(endpoint.scheme));
            assert_eq!(ctx.get(Host), endpoint.host);
            assert_eq!(ctx.get(Port), endpoint.port);
            assert_eq!(ctx.get(Path), endpoint.path);
            assert_eq!(ctx.get(Query), endpoint.query);
            assert_eq!(ctx.get(User), endpoint.user);
            assert_eq!(ctx.get(Password), endpoint.password);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.phase(), Some(Phase::Endpoint));
            assert!(error.advice().is_some(), "{error}");
            assert_eq!(ctx.expect_err("what is not parsed is not taken").to_string(), error.to_string());
        }
    }
    keeps_secrets(&text);
}

/// Reads `text` once more, by other means, and compares.
fn means(endpoint: &Endpoint, text: &str) {
    assert!(text.len() <= Endpoint::MAX_LEN);
    let (scheme, rest) = text.split_once(':').expect("a scheme");
    assert!(endpoint.scheme.eq_ignore_ascii_case(scheme), "{endpoint:?} of {text:?}");
    assert!(!endpoint.scheme.contains(|c: char| c.is_ascii_uppercase()));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let rest = path.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    assert_eq!(endpoint.path.as_deref(), Some(path).filter(|path| filled(path)), "{endpoint:?} of {text:?}");
    assert_eq!(endpoint.query.as_deref(), query, "{endpoint:?} of {text:?}");
    assert!(path.is_empty() || path.starts_with('/'));
    let (user, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    assert_eq!(endpoint.user.as_deref().unwrap_or_default(), decoded(user), "{endpoint:?} of {text:?}");
    assert_eq!(endpoint.password.as_ref().map_or("", Secret::expose), decoded(password), "{endpoint:?} of {text:?}");
    // A colon within brackets belongs to the address.
    let colon = authority.rfind(':').filter(|colon| authority.rfind(']').is_none_or(|bracket| bracket < *colon));
    let (host, port) = match colon {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    let port = port.filter(|digits| filled(digits)).map(|digits| digits.parse::<u128>().unwrap_or(u128::MAX));
    assert_eq!(endpoint.port.map(u128::from), port, "{endpoint:?} of {text:?}");
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = match host.split_once('%') {
        Some((address, zone)) => {
            let zone = zone.strip_prefix("25").filter(|zone| filled(zone)).unwrap_or(zone);
            format!("{}%{zone}", address.to_ascii_lowercase())
        }
        None => host.to_ascii_lowercase(),
    };
    assert_eq!(endpoint.host, (!authority.is_empty()).then(|| Text::from(host)), "{endpoint:?} of {text:?}");
}

fn filled(text: &str) -> bool {
    !text.is_empty()
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// A secret is in no error and in no endpoint that is printed, whatever is wrong around it.
fn keeps_secrets(text: &str) {
    const SECRET: &str = "Zq7secret";
    // A text that has it itself says nothing of the places below.
    if text.contains(SECRET) {
        return;
    }
    for url in [
        format!("tcp://user:{SECRET}{text}@host"),
        format!("tcp://{SECRET}{text}@host"),
        format!("tcp://user:{text}{SECRET}@host"),
        format!("tcp://host/?{text}{SECRET}"),
        format!("tcp://user:{SECRET}{text}"),
        format!("tcp://user:{SECRET}%40{text}"),
    ] {
        let told = match url.parse::<Endpoint>() {
            Err(error) => format!("{error} {error:#} {error:?}"),
            Ok(endpoint) => format!("{endpoint} {endpoint:?}"),
        };
        // What stands behind a fragment's `#` or a path's `/` is none.
        let is_path = url.parse::<Endpoint>().is_ok_and(|endpoint| {
            [endpoint.path.as_deref(), endpoint.host.as_deref()].into_iter().flatten().any(|part| part.contains(SECRET))
        });
        assert!(is_path || !told.contains(SECRET), "{told}");
    }
}
