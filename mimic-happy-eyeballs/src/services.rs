//! SVCB and HTTPS records (RFC 9460): as the caller gives them, and those kept.

use heapless::Vec;

use crate::{AddressInfo, Config, Name, ServiceId};

/// An SVCB or HTTPS record, as an answer gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceRecord<'a> {
    /// The priority. 0 makes it an alias (AliasMode): then only [`target`](Self::target) counts.
    pub priority: u16,
    /// The TargetName; none for `.`, which is the name that was asked.
    pub target: Option<Name>,
    /// `alpn`.
    pub alpn: &'a [&'a [u8]],
    /// `no-default-alpn`.
    pub no_default_alpn: bool,
    /// `port`.
    pub port: Option<u16>,
    /// `ipv4hint`.
    pub ipv4_hints: &'a [AddressInfo],
    /// `ipv6hint`.
    pub ipv6_hints: &'a [AddressInfo],
    /// Whether further `ipv4hint`s follow by [`RaceInput::More`](crate::RaceInput::More).
    pub more_ipv4_hints: bool,
    /// Whether further `ipv6hint`s follow by [`RaceInput::More`](crate::RaceInput::More).
    pub more_ipv6_hints: bool,
    /// Whether there is an `ech`.
    pub ech: bool,
    /// Whether a key is `mandatory` that the client does not know: then the record is ignored (RFC
    /// 9460 §8).
    pub unsupported: bool,
}

/// A ServiceMode record that is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownService {
    pub(crate) id: ServiceId,
    pub(crate) target: Name,
    pub(crate) port: Option<u16>,
    pub(crate) ech: bool,
    /// The client's protocols that the service speaks, a bit each.
    pub(crate) protocols: u32,
    /// Whether it may be connected to at all.
    pub(crate) usable: bool,
    /// Whether hints of IPv4 and of IPv6 are still to come.
    pub(crate) more: [bool; 2],
    pub(crate) priority: u16,
    /// Decides between equal priorities.
    pub(crate) shuffle: u16,
}

impl KnownService {
    pub(crate) fn new(service: &ServiceRecord<'_>, id: ServiceId, config: &Config) -> Self {
        let default = config.default_protocol.filter(|_| !service.no_default_alpn);
        let speaks = |protocol: &[u8]| service.alpn.contains(&protocol) || default == Some(protocol);
        let protocols = (config.protocols.iter().zip(0_u32..32))
            .filter(|(protocol, _)| speaks(protocol))
            .fold(0, |mask, (_, bit)| mask | 1 << bit);
        // Nothing is known of a record without `alpn` where the scheme has no default.
        let unknown = service.alpn.is_empty() && !service.no_default_alpn && default.is_none();
        Self {
            id,
            target: service.target.unwrap_or(id.owner),
            port: service.port.filter(|port| config.port != Some(*port)),
            ech: service.ech,
            protocols,
            usable: (protocols != 0 || config.protocols.is_empty() || unknown) && service.port != Some(0),
            more: [service.more_ipv4_hints, service.more_ipv6_hints],
            priority: service.priority,
            shuffle: shuffle(config.seed, id),
        }
    }
}

/// The ServiceMode records of all names.
#[derive(Debug)]
pub(crate) struct Services<const N: usize>(Vec<KnownService, N>);

impl<const N: usize> Services<N> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Those that `owner` has now.
    pub(crate) fn of(&self, owner: Name) -> impl Iterator<Item = &KnownService> {
        self.0.iter().filter(move |kept| kept.id.owner == owner)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &KnownService> {
        self.0.iter()
    }

    pub(crate) fn get(&self, id: ServiceId) -> Option<&KnownService> {
        self.0.iter().find(|kept| kept.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: ServiceId) -> Option<&mut KnownService> {
        self.0.iter_mut().find(|kept| kept.id == id)
    }

    pub(crate) fn remove(&mut self, owner: Name) {
        self.0.retain(|kept| kept.id.owner != owner);
    }

    /// Whether there was room; if not, what is kept is the services of the best priority, of equals
    /// the first.
    pub(crate) fn add(&mut self, new: KnownService) -> bool {
        let Err(new) = self.0.push(new) else { return true };
        if let Some(worst) = self.0.iter_mut().max_by_key(|kept| kept.priority)
            && new.priority < worst.priority
        {
            *worst = new;
        }
        false
    }
}

/// A number that looks random but stays the same for a service while answers come and go.
pub(crate) fn shuffle(seed: u64, id: ServiceId) -> u16 {
    let [a, b, ..] = random(random(seed, id.owner.0), id.index).to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// What comes after `skipped` numbers of SplitMix64.
fn random(seed: u64, skipped: u16) -> u64 {
    let mut x = seed.wrapping_add((u64::from(skipped) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::random;

    /// The numbers that are published for the seed 1234567 (Rosetta Code, "Pseudo-random
    /// numbers/Splitmix64").
    #[test]
    fn splitmix64() {
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for (skipped, number) in (0..).zip(published) {
            assert_eq!(random(1_234_567, skipped), number);
        }
    }
}
