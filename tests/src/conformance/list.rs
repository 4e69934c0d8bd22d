//! The list of the cases: the table and the tests are made of it.

/// Calls a macro with its arguments in parentheses and all cases.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ([$($callback:tt)*] $($arguments:tt)*) => {
        $($callback)*! {
            ($($arguments)*)
            reads {
                a_read_waits_for_a_byte
                a_read_of_nothing_is_answered_at_once
                a_read_of_nothing_takes_nothing
                a_read_of_nothing_is_not_the_end
                a_read_is_never_longer_than_its_buffer
                a_read_does_not_wait_to_fill_its_buffer
                bytes_one_at_a_time_come_in_order
                reads_of_all_sizes_keep_the_order
                polls_while_nothing_comes_change_nothing
                reads_go_on_after_each_answer
                all_comes_before_the_end
                the_end_stays
                a_read_of_nothing_at_the_end_is_zero
                an_end_without_a_byte_is_an_end
                reads_go_on_after_own_shutdown
            }
            writes {
                a_write_of_nothing_is_answered_at_once
                a_write_of_nothing_sends_nothing
                a_write_takes_a_byte_at_least_and_no_more_than_all
                what_a_large_write_does_not_take_is_not_sent
                single_bytes_arrive_in_order
                many_small_writes_arrive_in_order
                the_buffer_may_change_after_a_write
                a_flush_hands_everything_on
                a_flush_of_nothing_is_ok
                a_write_after_shutdown_is_a_broken_pipe
                a_vectored_write_after_shutdown_is_a_broken_pipe
                a_write_that_came_too_late_sends_nothing
                a_second_shutdown_is_ok
                a_shutdown_flushes
                a_flush_after_shutdown_is_ok
            }
            vectored {
                slices_arrive_in_order
                empty_slices_among_others_are_skipped
                a_hundred_slices_arrive
                slices_larger_than_any_buffer_are_partly_taken
                no_slices_are_answered_at_once
                empty_slices_are_answered_at_once
                the_count_is_what_was_sent
                vectored_and_plain_writes_keep_the_order
                who_is_vectored_takes_more_than_the_first
                a_vectored_write_that_waits_takes_nothing
            }
            closing {
                after_its_shutdown_a_flow_hears_the_answer
                after_its_peers_shutdown_a_flow_can_answer
                both_may_shut_down_at_once
                half_a_connection_carries_much
                a_half_close_in_mid_transfer_leaves_the_other_half
                a_waiting_reader_hears_the_end
                a_shut_down_flow_that_is_dropped_ended_cleanly
                close_drains_what_the_peer_still_sends
                close_flushes
                close_waits_for_the_peer
                a_close_that_is_dropped_closes
                the_end_reaches_who_reads_late
                a_slow_peer_reads_all_of_a_flow_that_only_wrote
            }
            gone {
                what_was_flushed_before_a_drop_arrives
                a_slow_peer_reads_all_that_was_flushed_before_a_drop
                a_drop_ends_the_peers_stream
                a_drop_of_the_peer_ends_the_stream
                a_drop_at_once_ends_the_peers_stream
                a_waiting_reader_hears_that_its_peer_was_dropped
                writes_to_a_peer_that_was_dropped_fail
                a_waiting_writer_hears_that_its_peer_was_dropped
                close_of_a_flow_whose_peer_was_dropped_comes_to_an_end
                a_drop_in_mid_transfer_hangs_nobody
                a_drop_with_a_full_pipe_cuts_at_the_end_only
                an_abort_is_no_clean_end
                an_abort_stays
                after_an_abort_a_flow_waits_for_nothing
                an_abort_wakes_the_peers_reader
                an_abort_wakes_the_peers_writer
                an_abort_with_a_full_pipe_hangs_nobody
            }
            wakers {
                a_waiting_reader_is_woken_by_a_byte
                a_waiting_writer_is_woken_by_room
                the_newest_waker_of_a_reader_is_woken
                the_newest_waker_of_a_writer_is_woken
                a_reader_that_comes_back_is_woken_again
                waking_the_reader_leaves_the_writer_its_waker
                waking_the_writer_leaves_the_reader_its_waker
                a_busy_writer_takes_no_waker_from_the_reader
                a_busy_reader_takes_no_waker_from_the_writer
                one_task_may_wait_for_both
                a_waiting_flush_comes_to_its_end
                a_waiting_shutdown_comes_to_its_end
            }
            pressure {
                a_writer_waits_when_nobody_reads_and_goes_on
                a_write_that_waits_takes_nothing
                a_slow_reader_loses_nothing
                a_full_direction_leaves_the_other_free
                both_directions_may_be_full_at_once
                a_flow_that_is_full_can_be_read
            }
            cancel {
                a_dropped_read_loses_nothing
                reads_dropped_at_each_poll_lose_nothing
                a_dropped_read_leaves_its_bytes_to_the_next
                writes_dropped_at_each_poll_send_what_they_say
                vectored_writes_may_be_dropped
                a_dropped_flush_can_be_begun_again
                a_dropped_shutdown_can_be_begun_again
                reads_and_writes_may_be_dropped_in_turn
                the_task_of_a_dropped_read_may_be_gone
                a_read_dropped_before_the_end_leaves_the_end
            }
            transfers {
                much_goes_out
                much_comes_in
                much_goes_both_ways_at_once
                big_16_mib_go_out
                big_16_mib_come_in
                big_16_mib_go_both_ways_at_once
                questions_and_answers_take_turns
                owned_halves_read_and_write_at_once
                halves_work_in_threads_of_their_own
                a_flow_works_in_another_thread
                many_connections_live_side_by_side
            }
            attributes {
                addresses_are_those_of_the_peer
                an_unknown_key_is_not_answered
                attributes_stay_while_bytes_flow
                attributes_come_through_layers
                the_layers_below_come_to_an_end
                a_box_knows_its_concrete_type
                debug_tells_nothing_of_what_is_sent
                the_flow_below_goes_on_by_itself
            }
        }
    };
}
