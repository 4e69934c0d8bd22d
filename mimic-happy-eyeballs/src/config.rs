//! How a race is run.

use core::time::Duration;

use crate::{Family, Kind, Prefix};

/// "The RECOMMENDED value for the Resolution Delay is 50 milliseconds" (§4.2).
pub(crate) const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// "One recommended value for a default delay is 250 milliseconds" (§6).
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// "A subsequent connection MUST NOT be started within 10 milliseconds of the previous attempt"
/// (§6).
pub(crate) const FLOOR: Duration = Duration::from_millis(10);
/// "The recommended minimum value is 100 milliseconds" (§6).
pub(crate) const MINIMUM_DELAY: Duration = Duration::from_millis(100);
/// "The Connection Attempt Delay SHOULD have an upper bound … recommended value is 2 seconds" (§6).
pub(crate) const MAXIMUM_DELAY: Duration = Duration::from_secs(2);
/// "Preferred Address Family Count … Recommended to be 1" (§9).
pub(crate) const FAMILY_COUNT: u8 = 1;

/// How a race is run. The default is what the draft recommends; each method departs from it.
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
    /// The driver decides where nothing is said.
    pub(crate) fall_back: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The draft's recommended values, for a client without SVCB.
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

    /// Asks for HTTPS records, as clients of HTTP should (§4.1). Default: no.
    pub const fn https(self) -> Self {
        Self { services: Some(Kind::Https), ..self }
    }

    /// Asks for SVCB records. Default: no.
    pub const fn svcb(self) -> Self {
        Self { services: Some(Kind::Svcb), ..self }
    }

    /// Says which families there is connectivity for (§4.1): a non-link-local address and a route.
    /// Decides what is asked, which family is waited for (§4.2: the only one with a default route,
    /// else IPv6), and what is taken for unreachable where the source is unknown: such an address
    /// sorts last (§5.3), or is synthesised if it is of IPv4 and there is a NAT64 prefix. Neither:
    /// both are asked. Default: both.
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

    /// Asks for both families whatever the [`connectivity`](Self::connectivity), for a resolver
    /// that reads a hosts file. Call it after that method.
    pub const fn ask_both(self) -> Self {
        Self { ask_ipv4: true, ask_ipv6: true, ..self }
    }

    /// Which family's answer to wait for, within the resolution delay. Call it after
    /// [`connectivity`](Self::connectivity). The order of attempts is RFC 6724's and does not
    /// depend on it.
    pub const fn wait_for_family(self, family: Family) -> Self {
        Self { preferred: family, ..self }
    }

    /// How long other answers are waited for after the first address (§4.2). Default: 50 ms.
    /// `Duration::MAX` waits for as long as they take.
    pub const fn resolution_delay(self, delay: Duration) -> Self {
        Self { resolution_delay: delay, ..self }
    }

    /// The time between attempts (§6). Default: 250 ms. Kept within 10 ms and the
    /// [maximum](Self::maximum_attempt_delay).
    pub const fn attempt_delay(self, delay: Duration) -> Self {
        Self { attempt_delay: delay, ..self }
    }

    /// The least delay that is derived from history (§6). Default: 100 ms; never less than 10 ms.
    pub const fn minimum_attempt_delay(self, delay: Duration) -> Self {
        Self { minimum_delay: delay, ..self }
    }

    /// The longest time between attempts (§6). Default: 2 s; never less than 10 ms.
    pub const fn maximum_attempt_delay(self, delay: Duration) -> Self {
        Self { maximum_delay: delay, ..self }
    }

    /// By how much the delay grows each time it passes; failures do not grow it. Default: 1, not at
    /// all.
    pub const fn delay_multiplier(self, multiplier: u32) -> Self {
        Self { multiplier, ..self }
    }

    /// Whether the delay after an attempt follows from [`AddressInfo::rtt`](crate::AddressInfo::rtt),
    /// if given, as thrice that time: the first retransmission timeout of RFC 6298 §2.2. Default:
    /// yes.
    pub const fn delay_from_rtt(self, yes: bool) -> Self {
        Self { use_rtt: yes, ..self }
    }

    /// How many attempts may run at once. Default: as many as there is room for. 0 counts as 1.
    pub const fn max_in_flight(self, attempts: usize) -> Self {
        Self { max_in_flight: attempts, ..self }
    }

    /// How many endpoints of the first family precede the first of the other (§5.3), in each group.
    /// Default: 1. 0 counts as 1.
    pub const fn preferred_family_count(self, count: u8) -> Self {
        Self { family_count: count, ..self }
    }

    /// Whether the families take turns (§5.3). Default: yes.
    pub const fn interleave(self, yes: bool) -> Self {
        Self { interleave: yes, ..self }
    }

    /// Whether address hints in SVCB records are used until there are addresses (§4.2.1). Default:
    /// yes.
    pub const fn hints(self, yes: bool) -> Self {
        Self { hints: yes, ..self }
    }

    /// Whether services are tried in the order of their priority (§5.2). Default: yes. No: all in
    /// one group.
    pub const fn group_by_service(self, yes: bool) -> Self {
        Self { by_service: yes, ..self }
    }

    /// Whether the protocols are grouped before the services are (§5.1): everything that speaks the
    /// first of [`protocols`](Self::protocols) comes before everything that speaks the second. An
    /// address of a service that speaks both is tried for each. Default: no.
    pub const fn group_by_protocol(self, yes: bool) -> Self {
        Self { by_protocol: yes, ..self }
    }

    /// Whether services with ECH come before those without, whatever their priority (§5.1.1).
    /// Default: no.
    pub const fn prefer_ech(self, yes: bool) -> Self {
        Self { prefer_ech: yes, ..self }
    }

    /// The protocols that the client speaks, as ALPN names, the preferred first. Services that
    /// speak none of them are not tried (§6.2). At most 32 count. Default: none, and then no
    /// service is left out.
    pub const fn protocols(self, protocols: &'static [&'static [u8]]) -> Self {
        Self { protocols, ..self }
    }

    /// The protocol that a service speaks unless its record says `no-default-alpn` (RFC 9460
    /// §7.1.1), such as `http/1.1`. Default: none.
    pub const fn default_protocol(self, protocol: &'static [u8]) -> Self {
        Self { default_protocol: Some(protocol), ..self }
    }

    /// Says that DNS is cryptographically protected, so that a failing query for service records
    /// ends the race (§6.3). An attacker need not make it fail where late is enough: so this
    /// [waits](Self::wait_for_services), too, unless that is taken back afterwards. Default: no.
    pub const fn protected(self, yes: bool) -> Self {
        Self { protected: yes, wait_for_services: yes || self.wait_for_services, ..self }
    }

    /// Whether what is sent after the transport handshake depends on service records (§6.1, §6.3
    /// and §11), for instance on ECH. Then nothing wins before they are answered, and the caller
    /// waits with handshakes above the transport while
    /// [`Machine::may_handshake`](crate::Machine::may_handshake) is false. Default: no.
    pub const fn wait_for_services(self, yes: bool) -> Self {
        Self { wait_for_services: yes, ..self }
    }

    /// The NAT64 prefix of the network (§8), if it is known already.
    pub const fn nat64(self, prefix: Prefix) -> Self {
        Self { prefix: Some(prefix), ..self }
    }

    /// A number from a random source, which shuffles services of equal priority (§5.2). Default: 0,
    /// for which the driver takes one from the clock.
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Says which port the caller connects to where no record gives another: so that a record that
    /// spells it out adds no second endpoint, and [`RaceEndpoint::port`](crate::RaceEndpoint::port) is none
    /// for it. The driver gives it by itself. Default: not known.
    pub const fn port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// Whether the addresses of the name itself are tried at the caller's own port, after all that
    /// the service records give, even where every record for them gives another port or speaks no
    /// common protocol (RFC 9460 §3: the "non-SVCB connection modes" of a client that is
    /// SVCB-optional). They are the last group, and start as others do.
    ///
    /// Never done where that would be a downgrade (RFC 9460 §3.1): with
    /// [`protected`](Self::protected) or [`wait_for_services`](Self::wait_for_services), and with
    /// [`prefer_ech`](Self::prefer_ech) where a record has ECH.
    ///
    /// Default: in the machine no, as the draft has it (§5.2, §6.2): such a name has no endpoint
    /// left. In the driver yes, as browsers do; `fall_back_to_origin(false)` switches it off.
    pub const fn fall_back_to_origin(self, yes: bool) -> Self {
        Self { fall_back: Some(yes), ..self }
    }

    /// As the driver can do it: TCP alone, and service records for what a handshake makes secure.
    /// Without, they would lead clear text to a service of TLS (RFC 9460 §9.5 asks for `https`
    /// instead).
    pub(crate) fn over_tcp(self, secure: bool, port: u16) -> Self {
        let services = self.services.filter(|_| secure);
        let known = if self.protocols.is_empty() { self.protocols(&[b"h2", b"http/1.1"]) } else { self };
        let default_protocol = known.default_protocol.or(Some(b"http/1.1"));
        let fall_back = self.fall_back.or(Some(true));
        Self { services, default_protocol, by_protocol: false, port: Some(port), fall_back, ..known }
    }

    /// Whether the origin may be fallen back to, where service records have ECH or not.
    pub(crate) fn falls_back(&self, ech: bool) -> bool {
        let relies = self.protected || self.wait_for_services || (self.prefer_ech && ech);
        self.fall_back == Some(true) && !relies
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.max_in_flight.max(1)
    }

    /// The delay after an attempt, before growth.
    pub(crate) fn delay(&self, rtt: Option<Duration>) -> Duration {
        match rtt.filter(|_| self.use_rtt) {
            Some(rtt) => self.clamp(rtt.saturating_mul(3), self.minimum_delay),
            None => self.clamp(self.attempt_delay, FLOOR),
        }
    }

    /// The delay after the delay has passed `times` times.
    pub(crate) fn grown(&self, delay: Duration, times: u32) -> Duration {
        let factor = self.multiplier.max(1).saturating_pow(times);
        self.clamp(delay.saturating_mul(factor), FLOOR)
    }

    fn clamp(&self, delay: Duration, least: Duration) -> Duration {
        delay.max(least).min(self.maximum_delay).max(FLOOR)
    }
}
