//! Whom TLS trusts: the authorities that the firmware was built with.

use alloc::format;
use alloc::sync::Arc;

use embassy_net::Stack;
use mimic_core::{Error, ErrorKind, LocalContext, Phase};
use mimic_embassy::crypto::{client_config, provider};
use mimic_rustls::TlsConfig;
use mimic_rustls::rustls::RootCertStore;

use crate::clock;
use crate::random::Random;

/// In DER, by `build.rs`.
const AUTHORITIES: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/authorities.rs"));

/// A context with TLS. It asks for the time when a connection turns out to need it, and not before.
pub(crate) fn apply(ctx: LocalContext, stack: Stack<'static>, random: Random) -> Result<LocalContext, Error> {
    let config = match AUTHORITIES {
        [] => None,
        authorities => {
            let entropy = random.clone();
            let provider = provider(move |bytes: &mut [u8]| {
                entropy.fill(bytes);
                Ok(())
            });
            Some(Arc::new(client_config(provider, clock::now, roots(authorities)?)?))
        }
    };
    Ok(ctx.derive(TlsConfig, (), move |()| {
        let (config, random) = (config.clone(), random.clone());
        async move {
            let config = config.ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "there is nobody to trust: a board has no trust store")
                    .in_phase(Phase::Plan)
                    .advise("build the firmware with the authorities: MIMIC_CA=/path/to/ca.pem")
            })?;
            clock::set(stack, &random).await?;
            Ok(Some(config))
        }
    }))
}

fn roots(authorities: &[&'static [u8]]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for &authority in authorities {
        roots.add(authority.into()).map_err(|error| {
            let reason = format!("the authority of MIMIC_CA is not one: {error}");
            Error::new(ErrorKind::InvalidData, reason).in_phase(Phase::Plan)
        })?;
    }
    Ok(roots)
}
