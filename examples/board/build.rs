//! Puts the authorities of `MIMIC_CA` into the firmware.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MIMIC_CA");
    let authorities = match env::var("MIMIC_CA") {
        Ok(file) if !file.is_empty() => {
            println!("cargo::rerun-if-changed={file}");
            read(Path::new(&file)).map_err(|error| format!("MIMIC_CA={file}: {error}"))?
        }
        _ => Vec::new(),
    };
    let authorities: String = authorities.iter().map(|authority| format!("&{:?}, ", authority.as_ref())).collect();
    let out = Path::new(&env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("authorities.rs");
    fs::write(out, format!("&[{authorities}]"))?;
    Ok(())
}

/// The certificates of a file in PEM format, or the one of a file in DER format.
fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, Box<dyn Error>> {
    /// What every certificate starts with in DER: a SEQUENCE with a length of two bytes.
    const DER: [u8; 2] = [0x30, 0x82];
    if file.is_relative() {
        return Err("give an absolute path, for this is read in another directory: MIMIC_CA=$PWD/ca.pem".into());
    }
    let contents = fs::read(file)?;
    if contents.starts_with(&DER) {
        return Ok(vec![contents.into()]);
    }
    let authorities = CertificateDer::pem_slice_iter(&contents).collect::<Result<Vec<_>, _>>()?;
    if authorities.is_empty() {
        return Err("there is no certificate in it, in PEM or DER format".into());
    }
    Ok(authorities)
}
