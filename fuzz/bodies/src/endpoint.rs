//! Endpoint strings: whatever is parsed means what was written, and prints as something that is parsed alike.

use mimic_core::{Context, Endpoint, ErrorKind, Host, Path, Phase, Port, Scheme, Text};

/// An endpoint string, as bytes.
pub fn endpoint(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let before = Context::new().with_url("old://old.example:1/old").unwrap();
    let ctx = before.with_url(&text);
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            means(&endpoint, &text);
            let printed = endpoint.to_string();
            let again: Endpoint = printed.parse().expect("what is printed is parsed");
            assert_eq!(again, endpoint, "{printed:?} of {text:?}");
            let ctx = ctx.expect("what is parsed is taken");
            assert_eq!(ctx.get(Scheme), Some(endpoint.scheme));
            assert_eq!(ctx.get(Host), endpoint.host);
            assert_eq!(ctx.get(Port), endpoint.port);
            assert_eq!(ctx.get(Path), endpoint.path);
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
    let path = path.split('#').next().unwrap_or_default();
    match endpoint.path.as_deref() {
        None => assert_eq!(path, "", "{endpoint:?} of {text:?}"),
        Some(found) => assert!(found == path || found.strip_prefix('/') == Some(path), "{endpoint:?} of {text:?}"),
    }
    assert!(endpoint.path.as_deref().is_none_or(|path| path.starts_with('/')));
    // A colon within brackets belongs to the address.
    let colon = authority.rfind(':').filter(|colon| authority.rfind(']').is_none_or(|bracket| bracket < *colon));
    let (host, port) = match colon {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    let port = port.map(|digits| digits.parse::<u128>().unwrap_or(u128::MAX));
    assert_eq!(endpoint.port.map(u128::from), port, "{endpoint:?} of {text:?}");
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    assert_eq!(endpoint.host, (!authority.is_empty()).then(|| Text::from(host)), "{endpoint:?} of {text:?}");
}

/// A password is in no error, whatever is wrong around it.
fn keeps_secrets(text: &str) {
    const SECRET: &str = "Zq7secret";
    let told = |url: String| match Context::new().with_url(&url) {
        Err(error) => format!("{error} {error:#} {error:?}"),
        Ok(_) => panic!("user information is refused: {url:?}"),
    };
    let told = told(format!("tcp://user:{SECRET}{text}@host"));
    assert!(!told.contains(SECRET), "{told}");
}
