//! Every requirement of `draft-ietf-happy-happyeyeballs-v3`, in its order: where it is implemented,
//! and which test shows it. This module holds documentation only.
//!
//! The tests are in `tests/draft_resolution.rs` (§4), `draft_sorting.rs` (§5), `draft_attempts.rs`
//! (§6 and §11) and `draft_changes.rs` (§7 and §8), named by section; others give their file.
//! "Caller" means the code that drives the [`Machine`](crate::Machine), as it is not in the
//! machine's power.
//!
//! # §4 Hostname resolution
//!
//! | § | requirement | where | shown by |
//! |---|---|---|---|
//! | 4.1 | with IPv6 connectivity, MUST ask for AAAA | `machine.rs` `ask_addresses` | `s4_1_aaaa_is_asked_with_ipv6` |
//! | 4.1 | with IPv4 connectivity, MUST ask for A | `machine.rs` `ask_addresses` | `s4_1_a_is_asked_with_ipv4` |
//! | 4.1 | with a NAT64 prefix, MUST ask for A | `machine.rs` `renumber` | `s4_1_a_is_asked_with_nat64` |
//! | 4.1 | HTTP SHOULD ask for HTTPS: [`Config::https`](crate::Config::https) | `machine.rs` `ask_all` | `s4_1_queries_go_out_at_once_and_in_order` |
//! | 4.1 | queries SHOULD be made as soon after one another as possible | `machine.rs` `output` | `s4_1_queries_go_out_at_once_and_in_order` |
//! | 4.1 | their order SHOULD be SVCB or HTTPS, AAAA, A | `machine.rs` `ask_all` | `s4_1_queries_go_out_at_once_and_in_order` |
//! | 4.2 | SHOULD NOT wait for all answers; option: [`Config::resolution_delay`](crate::Config::resolution_delay) | `machine.rs` `refresh` | `s4_2_not_all_answers_are_waited_for`, `s4_2_first_condition_set`, `s4_2_second_condition_set` |
//! | 4.2 | SHOULD treat resolution as asynchronous | `machine.rs` `answer` | `s4_2_not_all_answers_are_waited_for`, `s4_3_new_answers_are_incorporated` |
//! | 4.2 | resolution delay RECOMMENDED 50 ms | `config.rs` | `s4_2_resolution_delay` |
//! | 4.2.1 | hints SHOULD count as positive answers; option: [`Config::hints`](crate::Config::hints) | `machine.rs` `serve` | `s4_2_1_hints_count_as_answers`, `s4_2_1_hints_after_addresses_are_ignored` |
//! | 4.2.1 | (required) targets are asked for A and AAAA | `machine.rs` `serve` | `s4_2_1_targets_are_asked` |
//! | 4.2.1 | (required) ServiceMode records alone are service information | `queries.rs` `services_heard` | `s4_2_1_aliases_are_followed`, `s4_2_1_alias_circles_end` |
//! | 4.2.2 | the examples | | `s4_2_2_example_dual_stack`, `s4_2_2_example_aaaa_shortly_after`, `s4_2_2_example_aaaa_long_after`, `s4_2_2_example_services_late`, `s4_2_1_hints_count_as_answers`, `s4_2_1_targets_are_asked` |
//! | 4.4 | (required) expiry cancels nothing that runs | `addresses.rs` `withdraw` | `s4_4_expired_answers` |
//!
//! # §5 Grouping and sorting
//!
//! | § | requirement | where | shown by |
//! |---|---|---|---|
//! | 5.1 | different capabilities SHOULD be separate groups: [`Config::group_by_protocol`](crate::Config::group_by_protocol), [`Config::prefer_ech`](crate::Config::prefer_ech) | `order.rs` `ranks` | `s5_1_groups_by_protocol`, `s5_1_1_ech_first_is_an_option` |
//! | 5.1.1 | SHOULD avoid that where it is not critical: off by default | `config.rs` | `s5_1_groups_by_protocol`, `s5_1_1_ech_first_is_an_option` |
//! | 5.2 | endpoints of a service SHOULD be a group; option: [`Config::group_by_service`](crate::Config::group_by_service) | `order.rs` `rebuild` | `s5_2_a_group_is_interleaved_alone`, `s5_2_an_address_of_two_names_is_in_both_groups` |
//! | 5.2 | groups SHOULD be sorted by priority; same option | `order.rs` `rebuild` | `s5_2_services_go_by_priority`, `s5_2_dot_is_the_owner`, `s5_2_a_port_that_is_the_caller_s_own` |
//! | 5.2 | equal priorities SHOULD be shuffled: [`Config::seed`](crate::Config::seed); a constant seed does not | `services.rs` `shuffle` | `s5_2_equal_priorities_are_shuffled` |
//! | 5.2 | unassociated addresses SHOULD come last | `order.rs` `rebuild` | `s5_2_unassociated_addresses_come_last` |
//! | 5.3 | MUST sort by RFC 6724 §6 | `select.rs` | `s5_3_rfc_6724_sorts`, `s5_3_families_without_connectivity_come_last`, `tests/select.rs` |
//! | 5.3 | SHOULD prefer lower RTTs between rules 8 and 9; option: no [`Candidate::rtt`](crate::Candidate::rtt) | `select.rs` | `s5_3_lower_rtt_first` |
//! | 5.3 | SHOULD prefer used addresses after that; option: no [`Candidate::used`](crate::Candidate::used) | `select.rs` | `s5_3_used_addresses_first` |
//! | 5.3 | SHOULD interleave families; options: [`Config::interleave`](crate::Config::interleave), [`Config::preferred_family_count`](crate::Config::preferred_family_count) | `order.rs` `interleave` | `s5_3_families_take_turns`, `s5_3_ipv4_may_be_first` |
//!
//! # §6 Connection attempts
//!
//! | § | requirement | where | shown by |
//! |---|---|---|---|
//! | 6 | attempts SHOULD NOT be simultaneous; there is no option | `pacing.rs` | `s6_one_attempt_after_the_other` |
//! | 6 | others SHOULD be cancelled by a success; there is no option | `machine.rs` `finish` | `s6_a_success_cancels_the_others` |
//! | 6 | endpoints not attempted SHOULD be ignored then | `machine.rs` `finish` | `s6_a_success_cancels_the_others` |
//! | 6 | SHOULD start with the most preferred application group | `order.rs` `rebuild` | `s5_1_groups_by_protocol` |
//! | 6 | a group SHOULD be started before the next | `order.rs` `rebuild` | `s6_groups_follow_each_other` |
//! | 6 | attempts SHOULD continue in parallel across groups | `pacing.rs` | `s6_groups_follow_each_other` |
//! | 6 | delay recommended 250 ms: [`Config::attempt_delay`](crate::Config::attempt_delay) | `config.rs` | `s6_default_delay` |
//! | 6 | the delay MUST have a lower bound; MUST NOT start within 10 ms | `config.rs` `clamp`, `pacing.rs` `due` | `s6_floor_of_the_delay`, `s6_floor_after_failures`, `s6_floor_and_unsent_attempts`, `tests/schedules.rs` |
//! | 6 | minimum recommended 100 ms: [`Config::minimum_attempt_delay`](crate::Config::minimum_attempt_delay) | `config.rs` `delay` | `s6_minimum_delay` |
//! | 6 | the delay SHOULD have an upper bound, 2 s: [`Config::maximum_attempt_delay`](crate::Config::maximum_attempt_delay) | `config.rs` `clamp` | `s6_maximum_delay` |
//! | 6 | (required) the timer ends with the list | `machine.rs` `due` | `s6_timer_ends_with_the_list` |
//! | 6.1 | SHOULD wait for TLS before cancelling | caller, by when it says [`Input::Succeeded`](crate::Input::Succeeded) | `s6_1_progress_cancels_nothing`; of the driver `tests/handshakes.rs` |
//! | 6.1 | progress SHOULD extend the timer; option: not to tell of it | `pacing.rs` `progressed` | `s6_1_progress_extends_the_timer` |
//! | 6.1 | MUST wait for SVCB records before the handshake if it relies on them: [`Config::wait_for_services`](crate::Config::wait_for_services) | `machine.rs` `may_handshake`, `decide` | `s6_1_handshakes_wait_for_services`, `s6_1_handshakes_wait_for_aliases`, `s6_1_others_start_unless_one_waits`, `s6_1_lost_while_waiting` |
//! | 6.2 | SHOULD perform RFC 9460 §7.1.2; option: no [`Config::protocols`](crate::Config::protocols) | `services.rs` `Kept::new` | `s6_2_services_without_a_common_protocol` |
//! | 6.2 | SHOULD NOT connect to services without a common protocol; same option | `services.rs`, `order.rs` | `s6_2_services_without_a_common_protocol` |
//! | 6.2 | (RFC 9460 §3, §3.1) MAY fall back to the origin, MUST NOT if it relies on SVCB: [`Config::fall_back_to_origin`](crate::Config::fall_back_to_origin) | `config.rs` `falls_back`, `order.rs` `rebuild` | `s6_2_the_origin_may_be_fallen_back_to` |
//! | 6.3 | a failed SVCB query over protected DNS SHOULD abandon: [`Config::protected`](crate::Config::protected) | `machine.rs` `answer` | `s6_3_protected_failures_abandon` |
//! | 6.3 | MUST pend handshakes if DNS is protected and the client relies on SVCB | as for §6.1; caller decides | `s6_1_handshakes_wait_for_services` |
//! | 6.3 | (RFC 9460 §5.1) MUST NOT transmit what the response could alter | as for §6.1 | `s6_1_handshakes_wait_for_services` |
//!
//! # §7 to §11
//!
//! | § | requirement | where | shown by |
//! |---|---|---|---|
//! | 7 | hints SHOULD be removed if absent from the records | `machine.rs` `answer` | `s7_hints_give_way`, `s4_2_1_records_replace_hints` |
//! | 7 | a removed endpoint's attempt SHOULD NOT be cancelled | `addresses.rs` `withdraw` | `s7_removed_endpoints`, `s7_endpoints_come_back` |
//! | 7 | a removed endpoint not attempted SHOULD be removed | `addresses.rs` `withdraw` | `s7_removed_endpoints`, `s7_removed_endpoints_leave_no_trace`, `s7_endpoints_go_from_one_name_and_stay_with_another`, `s7_services_change` |
//! | 7 | added endpoints SHOULD be sorted into the complete list | `order.rs` `rebuild` | `s7_added_endpoints_are_sorted_in`, `s7_turns_count_what_is_gone` |
//! | 7 | (an update alone justifies no rescheduling) | `pacing.rs` | `s7_updates_leave_the_timer` |
//! | 8.1 | with a NAT64 prefix, MUST ask for A besides AAAA | as for §4.1 | `s4_1_a_is_asked_with_nat64` |
//! | 8.2 | synthesised addresses MUST be de-synthesised | `addresses.rs` `effect` | `s8_2_aaaa_answers_are_desynthesised`, `s8_2_one_attempt_for_both_forms`, `s8_2_sources_of_synthesised_addresses_are_not_of_ipv4` |
//! | 8.2 | aware of the prefix, MUST check AAAA answers | `addresses.rs` `effect` | `s8_2_aaaa_answers_are_desynthesised` |
//! | 8.3 | without an IPv4 route, MUST synthesise | `addresses.rs` `effect` | `s8_3_a_records_are_synthesised`, `s8_3_hints_are_synthesised`, `s8_3_literals_are_synthesised`, `s8_3_with_a_route_nothing_is_synthesised`, `s8_3_synthesised_is_reachable` |
//! | 8.3 | (not for local addresses) | `nat64.rs` | `s8_3_local_addresses_are_not_synthesised`, `tests/nat64.rs` |
//! | 9 | minimum delay MUST NOT be less than 10 ms | `config.rs` `clamp` | `s6_minimum_delay`, `s6_floor_of_the_delay` |
//! | 11 | over protected DNS MUST NOT send unencrypted data before a valid HTTPS response: [`Config::wait_for_services`](crate::Config::wait_for_services) | as for §6.1 | `s6_1_handshakes_wait_for_services` |
//!
//! # Left out
//!
//! | § | requirement | why |
//! |---|---|---|
//! | 4.5 | queries SHOULD be sent over IPv6 first; SHOULD NOT limit the number of DNS servers; SHOULD use an address of each family | the resolver's: the machine sees names and answers |
//! | 5.3 | history MUST be partitioned, MUST NOT be used across PvDs, SHOULD be flushed with the PvD, MUST converge | nothing is kept between races: a caller that keeps history and gives it with a [`Candidate`](crate::Candidate) sees to it |
//! | 6 | the same delay SHOULD apply to resumed connections | nothing here knows which are: all have the same |
//! | 6 | a documented way to start attempts at once, or to let losers go on | not offered: it would harm the network, and help no connect |
//! | 6 | the resolver SHOULD still process replies for about 1 s after the end | the resolver's, to fill its cache |
//! | 6.2 | attempts SHOULD be consistent with Alt-Svc | mimic has no Alt-Svc |
//! | 8.1 | SHOULD discover the prefix by RFC 7050 | the caller's, who has the resolver; told by [`Input::Prefix`](crate::Input::Prefix) |
//!
//! # What the driver does not do
//!
//! It asks both families, whatever the connectivity, because a file of hosts may have either; it
//! waits for IPv6 first. It falls back to the origin where service records lead nowhere
//! ([`Config::fall_back_to_origin`](crate::Config)). It has no history of addresses, does not look
//! for a NAT64 prefix (give one by [`Config::nat64`](crate::Config::nat64)), and connects by TCP
//! only: without [`Config::protocols`](crate::Config::protocols) it takes `h2` and `http/1.1`, and
//! does not group by protocol. Service records are asked only where a handshake is part of the
//! attempt, so that they never lead clear text.
//!
//! Of what the draft allows (MAY), these are not done: new queries for expired answers (the caller
//! may, and give the new answers), cancelling queries at the end (the caller's), and rescheduling
//! the timer when answers change (§7).
