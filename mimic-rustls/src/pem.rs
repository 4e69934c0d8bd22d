//! PEM text: certificates and private keys, and the line that is wrong.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str;

use mimic_core::{Error, ErrorKind};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, RootCertStore};

/// Returns all certificates in the text, at least one.
///
/// # Errors
/// If there is none or a section is malformed. The error names the line.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    match CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(useless(text, "certificate", "openssl x509 -inform DER -in FILE -out PEM")),
    }
}

/// Returns the first private key in the text.
///
/// # Errors
/// As [`certificates`]. No error holds a part of the key.
pub(crate) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(text)
        .map_err(|_| useless(text, "private key", "openssl pkey -inform DER -in FILE -out PEM"))
}

/// Authorities from PEM text.
#[derive(Clone, Debug)]
pub(crate) struct Authorities {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) store: RootCertStore,
}

impl Default for Authorities {
    fn default() -> Self {
        Self { certificates: Vec::new(), store: RootCertStore::empty() }
    }
}

impl Authorities {
    /// Adds all certificates in the text.
    ///
    /// # Errors
    /// As [`certificates`], and if one of them is no X.509 certificate.
    pub(crate) fn add(&mut self, text: &[u8]) -> Result<(), Error> {
        for (certificate, number) in certificates(text)?.into_iter().zip(1..) {
            self.store.add(certificate.clone()).map_err(|error| no_certificate(number, &error))?;
            self.certificates.push(certificate);
        }
        Ok(())
    }
}

/// Returns the error for the certificate with that number, which is well-formed PEM and holds no
/// certificate.
pub(crate) fn no_certificate(number: usize, error: &rustls::Error) -> Error {
    let why = match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => "its encoding (DER) is broken".into(),
        rustls::Error::InvalidCertificate(why) => why.to_string(),
        error => error.to_string(),
    };
    invalid("certificate", format!("certificate {number} in it cannot be used: {why}"))
}

fn invalid(wanted: &str, why: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::InvalidData, format!("PEM of the {wanted}: {}", why.as_ref()))
}

/// Returns the reason why the text has nothing of what is `wanted`.
fn useless(text: &[u8], wanted: &str, convert: &'static str) -> Error {
    let error = |why: String| invalid(wanted, why);
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
        // The tag of a SEQUENCE, with which certificates and keys begin.
        Ok(_) if text[0] == 0x30 => error(format!("there is no {wanted} in PEM format in it, but DER")).advise(convert),
        Ok(_) => error(format!("there is no {wanted} in PEM format in it")),
    }
}

/// Returns the labels of the sections, or the line that is wrong.
fn sections(lines: &[&[u8]]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, number) in lines.iter().zip(1..) {
        if let Some(label) = line.strip_prefix(b"-----BEGIN ") {
            // It is printed in errors.
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
