//! SVCB and HTTPS records (RFC 9460): the form in which the caller gives them, and the stored form.

use heapless::Vec;

use crate::{AddressInfo, Config, Name, ServiceId};

/// An SVCB or HTTPS record of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceRecord<'a> {
    /// The priority. 0 makes the record an alias (AliasMode): only [`target`](Self::target) counts.
    pub priority: u16,
    /// The TargetName; none for `.`, the name of the query.
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
    /// Whether the record has an `ech`.
    pub ech: bool,
    /// Whether a key is `mandatory` that the client does not know. Such a record is ignored (RFC
    /// 9460 §8).
    pub unsupported: bool,
}

/// A stored ServiceMode record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownService {
    pub(crate) id: ServiceId,
    pub(crate) target: Name,
    pub(crate) port: Option<u16>,
    pub(crate) ech: bool,
    /// The protocols of the client that the service speaks, a bit each.
    pub(crate) protocols: u32,
    /// Whether the client may connect to the service at all.
    pub(crate) usable: bool,
    /// Whether further hints follow, of IPv4 and of IPv6.
    pub(crate) more: [bool; 2],
    pub(crate) priority: u16,
    /// Orders records of equal priority.
    pub(crate) shuffle: u16,
}

impl KnownService {
    pub(crate) fn new(service: &ServiceRecord<'_>, id: ServiceId, config: &Config) -> Self {
        let default = config.default_protocol.filter(|_| !service.no_default_alpn);
        let speaks = |protocol: &[u8]| service.alpn.contains(&protocol) || default == Some(protocol);
        let protocols = (config.protocols.iter().zip(0_u32..32))
            .filter(|(protocol, _)| speaks(protocol))
            .fold(0, |mask, (_, bit)| mask | 1 << bit);
        // A record without `alpn` says nothing of its protocols if the scheme has no default.
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

    /// Returns the records of `owner`.
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

    /// Adds a record, and returns whether it had room. Without room, the records of the best
    /// priority stay; of equals, the first.
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

/// Returns a pseudo-random number that a service keeps while answers change.
pub(crate) fn shuffle(seed: u64, id: ServiceId) -> u16 {
    let [a, b, ..] = random(random(seed, id.owner.0), id.index).to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// Returns the number that follows the first `skipped` ones of SplitMix64.
fn random(seed: u64, skipped: u16) -> u64 {
    let mut x = seed.wrapping_add((u64::from(skipped) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::random;

    /// Rosetta Code publishes the numbers for the seed 1234567 ("Pseudo-random
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
