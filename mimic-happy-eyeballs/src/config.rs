//! The configuration of a race. Its default values quote the draft.

use core::time::Duration;

use crate::{Family, Kind, Prefix};

/// "The RECOMMENDED value for the Resolution Delay is 50 milliseconds" (§4.2).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// "One recommended value for a default delay is 250 milliseconds" (§6).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// "A subsequent connection MUST NOT be started within 10 milliseconds of the previous attempt"
/// (§6).
pub(crate) const FLOOR: Duration = Duration::from_millis(10);
/// "The recommended minimum value is 100 milliseconds" (§6).
const MINIMUM_DELAY: Duration = Duration::from_millis(100);
/// "The Connection Attempt Delay SHOULD have an upper bound … recommended value is 2 seconds" (§6).
const MAXIMUM_DELAY: Duration = Duration::from_secs(2);
/// "Preferred Address Family Count … Recommended to be 1" (§9).
const FAMILY_COUNT: u8 = 1;

/// The configuration of a race. The default is the draft's recommendation; each method changes one
/// value.
///
/// ```
/// use core::time::Duration;
/// use mimic_happy_eyeballs::Config;
///
/// let config = Config::new().attempt_delay(Duration::from_millis(300)).max_in_flight(4);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Config {
    pub(crate) services: Option<Kind>,
    pub(crate) ask_ipv4: bool,
    pub(crate) ask_ipv6: bool,
    pub(crate) ipv4_route: bool,
    pub(crate) ipv6_route: bool,
    pub(crate) preferred: Family,
    pub(crate) resolution_delay: Duration,
    pub(crate) attempt_delay: Duration,
    pub(crate) minimum_delay: Duration,
    pub(crate) maximum_delay: Duration,
    pub(crate) multiplier: u32,
    pub(crate) use_rtt: bool,
    pub(crate) max_in_flight: usize,
    pub(crate) family_count: u8,
    pub(crate) interleave: bool,
    pub(crate) hints: bool,
    pub(crate) by_service: bool,
    pub(crate) by_protocol: bool,
    pub(crate) prefer_ech: bool,
    pub(crate) protocols: &'static [&'static [u8]],
    pub(crate) default_protocol: Option<&'static [u8]>,
    pub(crate) protected: bool,
    pub(crate) wait_for_services: bool,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) seed: u64,
    pub(crate) port: Option<u16>,
    /// None leaves the decision to the driver.
    pub(crate) fall_back: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// Returns the draft's recommended values, for a client without SVCB.
    pub const fn new() -> Self {
        Self {
            services: None,
            ask_ipv4: true,
            ask_ipv6: true,
            ipv4_route: true,
            ipv6_route: true,
            preferred: Family::Ipv6,
            resolution_delay: RESOLUTION_DELAY,
            attempt_delay: ATTEMPT_DELAY,
            minimum_delay: MINIMUM_DELAY,
            maximum_delay: MAXIMUM_DELAY,
            multiplier: 1,
            use_rtt: true,
            max_in_flight: usize::MAX,
            family_count: FAMILY_COUNT,
            interleave: true,
            hints: true,
            by_service: true,
            by_protocol: false,
            prefer_ech: false,
            protocols: &[],
            default_protocol: None,
            protected: false,
            wait_for_services: false,
            prefix: None,
            seed: 0,
            port: None,
            fall_back: None,
        }
    }

    /// Asks for HTTPS records, as HTTP clients should (§4.1). Default: no.
    pub const fn https(self) -> Self {
        Self { services: Some(Kind::Https), ..self }
    }

    /// Asks for SVCB records. Default: no.
    pub const fn svcb(self) -> Self {
        Self { services: Some(Kind::Svcb), ..self }
    }

    /// Sets which families have connectivity (§4.1): a non-link-local address and a route. Default:
    /// both.
    ///
    /// - Families without are not asked. Without any, both are asked.
    /// - The race waits for the answer of the only family with connectivity, else of IPv6 (§4.2).
    /// - An address of a family without counts as unreachable if its source is unknown. It sorts
    ///   last (§5.3). With a NAT64 prefix, an IPv4 address is synthesised instead.
    pub const fn connectivity(self, ipv4: bool, ipv6: bool) -> Self {
        Self {
            ask_ipv4: ipv4 || !ipv6,
            ask_ipv6: ipv6 || !ipv4,
            ipv4_route: ipv4,
            ipv6_route: ipv6,
            preferred: if ipv4 && !ipv6 { Family::Ipv4 } else { Family::Ipv6 },
            ..self
        }
    }

    /// Asks for both families regardless of the [`connectivity`](Self::connectivity), for a
    /// resolver that reads a hosts file. Call it after that method.
    pub const fn ask_both(self) -> Self {
        Self { ask_ipv4: true, ask_ipv6: true, ..self }
    }

    /// Sets the family whose answer is waited for, within the resolution delay. Call it after
    /// [`connectivity`](Self::connectivity). The order of attempts follows RFC 6724 and does not
    /// depend on it.
    pub const fn wait_for_family(self, family: Family) -> Self {
        Self { preferred: family, ..self }
    }

    /// Sets how long a race waits for other answers after the first address (§4.2). Default: 50 ms.
    /// `Duration::MAX` waits without limit.
    pub const fn resolution_delay(self, delay: Duration) -> Self {
        Self { resolution_delay: delay, ..self }
    }

    /// Sets the time between attempts (§6). Default: 250 ms. It is clamped to 10 ms and the
    /// [maximum](Self::maximum_attempt_delay).
    pub const fn attempt_delay(self, delay: Duration) -> Self {
        Self { attempt_delay: delay, ..self }
    }

    /// Sets the least delay that follows from history (§6). Default: 100 ms; never less than 10 ms.
    pub const fn minimum_attempt_delay(self, delay: Duration) -> Self {
        Self { minimum_delay: delay, ..self }
    }

    /// Sets the longest time between attempts (§6). Default: 2 s; never less than 10 ms.
    pub const fn maximum_attempt_delay(self, delay: Duration) -> Self {
        Self { maximum_delay: delay, ..self }
    }

    /// Sets the factor by which the delay grows each time it passes. Failures do not grow it.
    /// Default: 1, no growth.
    pub const fn delay_multiplier(self, multiplier: u32) -> Self {
        Self { multiplier, ..self }
    }

    /// Sets whether the delay after an attempt follows from
    /// [`AddressInfo::rtt`](crate::AddressInfo::rtt), if given. It is thrice that time, the first
    /// retransmission timeout of RFC 6298 §2.2. Default: yes.
    pub const fn delay_from_rtt(self, yes: bool) -> Self {
        Self { use_rtt: yes, ..self }
    }

    /// Limits the attempts that run at once. Default: the machine's capacity. 0 counts as 1.
    pub const fn max_in_flight(self, attempts: usize) -> Self {
        Self { max_in_flight: attempts, ..self }
    }

    /// Sets how many endpoints of the first family precede the first of the other (§5.3), in each
    /// group. Default: 1. 0 counts as 1.
    pub const fn preferred_family_count(self, count: u8) -> Self {
        Self { family_count: count, ..self }
    }

    /// Sets whether the families take turns (§5.3). Default: yes.
    pub const fn interleave(self, yes: bool) -> Self {
        Self { interleave: yes, ..self }
    }

    /// Sets whether address hints in SVCB records are used until addresses arrive (§4.2.1).
    /// Default: yes.
    pub const fn hints(self, yes: bool) -> Self {
        Self { hints: yes, ..self }
    }

    /// Sets whether services are tried in the order of their priority (§5.2), else all in one
    /// group. Default: yes.
    pub const fn group_by_service(self, yes: bool) -> Self {
        Self { by_service: yes, ..self }
    }

    /// Sets whether protocols are grouped before services (§5.1). Then every service that speaks
    /// the first of [`protocols`](Self::protocols) comes before those that speak the second. An
    /// address of a service that speaks both is tried for each. Default: no.
    pub const fn group_by_protocol(self, yes: bool) -> Self {
        Self { by_protocol: yes, ..self }
    }

    /// Sets whether services with ECH come before those without, regardless of priority (§5.1.1).
    /// Default: no.
    pub const fn prefer_ech(self, yes: bool) -> Self {
        Self { prefer_ech: yes, ..self }
    }

    /// Sets the protocols that the client speaks, as ALPN names, the preferred first. Services that
    /// speak none of them are not tried (§6.2). At most 32 count. Default: none, which excludes no
    /// service.
    pub const fn protocols(self, protocols: &'static [&'static [u8]]) -> Self {
        Self { protocols, ..self }
    }

    /// Sets the protocol that a service speaks unless its record has `no-default-alpn` (RFC 9460
    /// §7.1.1), such as `http/1.1`. Default: none.
    pub const fn default_protocol(self, protocol: &'static [u8]) -> Self {
        Self { default_protocol: Some(protocol), ..self }
    }

    /// Declares DNS cryptographically protected, so that a failed query for service records ends
    /// the race (§6.3). An attacker may delay the answer instead. So this also turns
    /// [`wait_for_services`](Self::wait_for_services) on, unless that is turned off afterwards.
    /// Default: no.
    pub const fn protected(self, yes: bool) -> Self {
        Self { protected: yes, wait_for_services: yes || self.wait_for_services, ..self }
    }

    /// Sets whether the data after the transport handshake depends on service records (§6.1, §6.3
    /// and §11), for instance on ECH. Then no attempt wins before they are answered. The caller
    /// delays handshakes above the transport while
    /// [`Machine::may_handshake`](crate::Machine::may_handshake) is false. Default: no.
    pub const fn wait_for_services(self, yes: bool) -> Self {
        Self { wait_for_services: yes, ..self }
    }

    /// Sets the NAT64 prefix of the network (§8), if it is known already. Default: none.
    pub const fn nat64(self, prefix: Prefix) -> Self {
        Self { prefix: Some(prefix), ..self }
    }

    /// Sets a random number, which shuffles services of equal priority (§5.2). Default: 0, for
    /// which the driver takes one from the clock.
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the port of endpoints for which no record gives another. A record that spells it out
    /// then adds no second endpoint, and its [`RaceEndpoint::port`](crate::RaceEndpoint::port) is
    /// none. The driver sets it by itself. Default: unknown.
    pub const fn port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// Sets whether the addresses of the name itself are tried at the caller's own port, after all
    /// endpoints of the service records. They are tried even if every record gives another port or
    /// speaks no common protocol (RFC 9460 §3: the "non-SVCB connection modes" of a client that is
    /// SVCB-optional). They are the last group, and start as others do.
    ///
    /// It is off where it would be a downgrade (RFC 9460 §3.1): with [`protected`](Self::protected)
    /// or [`wait_for_services`](Self::wait_for_services), and with [`prefer_ech`](Self::prefer_ech)
    /// if a record has ECH.
    ///
    /// Default in the machine: no, as in the draft (§5.2, §6.2), so such a name has no endpoint
    /// left. Default in the driver: yes, as in browsers; `fall_back_to_origin(false)` turns it off.
    pub const fn fall_back_to_origin(self, yes: bool) -> Self {
        Self { fall_back: Some(yes), ..self }
    }

    /// Restricts the configuration to the driver's abilities: TCP alone, and service records only
    /// for `secure` connections. Otherwise they would lead clear text to a TLS service (RFC 9460
    /// §9.5 asks for `https` instead).
    pub(crate) fn over_tcp(self, secure: bool, port: u16) -> Self {
        let services = self.services.filter(|_| secure);
        let known = if self.protocols.is_empty() { self.protocols(&[b"h2", b"http/1.1"]) } else { self };
        let default_protocol = known.default_protocol.or(Some(b"http/1.1"));
        let fall_back = self.fall_back.or(Some(true));
        Self { services, default_protocol, by_protocol: false, port: Some(port), fall_back, ..known }
    }

    /// Returns whether the origin may be fallen back to. `ech`: a service record has ECH.
    pub(crate) fn falls_back(&self, ech: bool) -> bool {
        let relies = self.protected || self.wait_for_services || (self.prefer_ech && ech);
        self.fall_back == Some(true) && !relies
    }

    /// Returns the limit of attempts that run at once.
    pub(crate) fn in_flight(&self) -> usize {
        self.max_in_flight.max(1)
    }

    /// Returns the delay after an attempt, before growth.
    pub(crate) fn delay(&self, rtt: Option<Duration>) -> Duration {
        match rtt.filter(|_| self.use_rtt) {
            Some(rtt) => self.clamp(rtt.saturating_mul(3), self.minimum_delay),
            None => self.clamp(self.attempt_delay, FLOOR),
        }
    }

    /// Returns the delay, grown for the `times` that it has passed.
    pub(crate) fn grown(&self, delay: Duration, times: u32) -> Duration {
        let factor = self.multiplier.max(1).saturating_pow(times);
        self.clamp(delay.saturating_mul(factor), FLOOR)
    }

    fn clamp(&self, delay: Duration, least: Duration) -> Duration {
        delay.max(least).min(self.maximum_delay).max(FLOOR)
    }
}
