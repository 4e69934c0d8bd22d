//! PEM files: certificates and keys, and what is wrong with a file that has none.

use std::path::Path;
use std::{fs, str};

use mimic_core::{Error, ErrorKind};
use mimic_rustls::rustls::pki_types::pem::{self, PemObject};
use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Returns all certificates in the file, at least one.
///
/// # Errors
/// Name the file, and the line where one is wrong.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(file)?;
    match CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(useless(&text, "certificate", "openssl x509 -inform DER -in FILE -out PEM", file)),
    }
}

/// Returns the first private key in the file.
///
/// # Errors
/// As [`certificates`].
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| useless(&text, "private key", "openssl pkey -inform DER -in FILE -out PEM", file))
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|error| Error::from(error).to_target(file.display()))
}

/// Says why there is nothing of what is `wanted` in a file.
fn useless(text: &[u8], wanted: &str, convert: &'static str, file: &Path) -> Error {
    let error = |why: String| Error::new(ErrorKind::InvalidData, why).to_target(file.display());
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    if wanted == "private key" {
        if lines.iter().any(|line| line == b"-----BEGIN ENCRYPTED PRIVATE KEY-----" || line.ends_with(b",ENCRYPTED")) {
            return error("the private key in it is encrypted".into())
                .advise("decrypt it, as a program cannot ask for its password: openssl pkey -in FILE -out PEM");
        }
        if lines.contains(&b"-----BEGIN OPENSSH PRIVATE KEY-----".as_slice()) {
            return error("the private key in it is in the format of OpenSSH".into())
                .advise("convert a copy: ssh-keygen -p -m PKCS8 -f FILE");
        }
    }
    match sections(&lines) {
        Err(why) => error(why),
        Ok(found) if found.iter().any(|label| label.to_lowercase().ends_with(wanted)) => error("it is not PEM".into()),
        Ok(found) if !found.is_empty() => error(format!("there is no {wanted} in it, only: {}", found.join(", "))),
        Ok(_) if text.is_empty() => error("it is empty".into()),
        // A SEQUENCE, as which certificates and keys begin.
        Ok(_) if text[0] == 0x30 => error(format!("there is no {wanted} in PEM format in it, but DER")).advise(convert),
        Ok(_) => error(format!("there is no {wanted} in PEM format in it")),
    }
}

/// Returns the labels of a file's sections, or says which line is wrong.
fn sections(lines: &[&[u8]]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, number) in lines.iter().zip(1..) {
        if let Some(label) = line.strip_prefix(b"-----BEGIN ") {
            // It is printed.
            let label = label.strip_suffix(b"-----").and_then(|label| str::from_utf8(label).ok());
            let label = label.filter(|label| label.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
            let label = label.ok_or_else(|| format!("line {number} begins a section, and does not end with -----"))?;
            if let Some((begun, before)) = &open {
                return Err(format!("the {before} of line {begun} has no end before line {number}"));
            }
            open = Some((number, label.into()));
        } else if let Some((begun, label)) = &open {
            if let Some(end) = line.strip_prefix(b"-----END ") {
                if end.strip_suffix(b"-----") != Some(label.as_bytes()) {
                    return Err(format!("line {number} does not end the {label} of line {begun}"));
                }
                let section = lines[begun - 1..number].join(&b'\n');
                if let Err(pem::Error::Base64Decode(_)) = <(pem::SectionKind, Vec<u8>)>::from_pem_slice(&section) {
                    return Err(format!("the {label} of line {begun} is not base64: something is missing or too much"));
                }
                found.extend(open.take().map(|(_, label)| label));
            } else if !line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/= \t".contains(byte)) {
                return Err(format!("line {number}, in the {label} of line {begun}, is not base64"));
            }
        }
    }
    match open {
        Some((begun, label)) => {
            Err(format!("the {label} of line {begun} has no end: -----END {label}----- is missing"))
        }
        None => Ok(found),
    }
}
