/*
 * cases.h - the functions that table.c names.
 */
#ifndef TESTS_READINESS_CASES_H
#define TESTS_READINESS_CASES_H

#include "ready.h"

void case_accept_again(struct rd *r);
void case_accept_delay(struct rd *r);
void case_accept_two(struct rd *r);
void case_added_to_waiting(struct rd *r);
void case_already_waiting(struct rd *r);
void case_arrivals(struct rd *r);
void case_arrivals_busy(struct rd *r);
void case_arrivals_closed(struct rd *r);
void case_arrivals_fin(struct rd *r);
void case_arrivals_many(struct rd *r);
void case_arrivals_peeked(struct rd *r);
void case_arrivals_rdhup(struct rd *r);
void case_cancel(struct rd *r);
void case_changed_by_child(struct rd *r);
void case_child_exits(struct rd *r);
void case_child_handles(struct rd *r);
void case_connect_fails_late(struct rd *r);
void case_connect_late(struct rd *r);
void case_connect_sndtimeo(struct rd *r);
void case_connect_stall(struct rd *r);
void case_connects_asked(struct rd *r);
void case_ctl_errors(struct rd *r);
void case_data(struct rd *r);
void case_defer_accept(struct rd *r);
void case_del_parked(struct rd *r);
void case_disarmed(struct rd *r);
void case_disarmed_fin(struct rd *r);
void case_disarmed_rdhup(struct rd *r);
void case_dup_closed(struct rd *r);
void case_dups(struct rd *r);
void case_eintr(struct rd *r);
void case_eintr_rcvtimeo(struct rd *r);
void case_eintr_wait(struct rd *r);
void case_exclusive(struct rd *r);
void case_exclusive_busy(struct rd *r);
void case_exclusive_dies(struct rd *r);
void case_exclusive_exits(struct rd *r);
void case_exclusive_processes(struct rd *r);
void case_exclusive_refused(struct rd *r);
void case_exclusive_threads(struct rd *r);
void case_exec(struct rd *r);
void case_exec_child(struct rd *r);
void case_exec_other(struct rd *r);
void case_fastopen(struct rd *r);
void case_fin(struct rd *r);
void case_fin_during(struct rd *r);
void case_fionread(struct rd *r);
void case_finished(struct rd *r);
void case_flood(struct rd *r);
void case_handler_writes(struct rd *r);
void case_inherited(struct rd *r);
void case_inherited_blocking(struct rd *r);
void case_inherited_closed(struct rd *r);
void case_inherited_orphan(struct rd *r);
void case_inherited_set(struct rd *r);
void case_killed_blocking(struct rd *r);
void case_killed_epoll(struct rd *r);
void case_killed_poll(struct rd *r);
void case_many(struct rd *r);
void case_mod_mask(struct rd *r);
void case_mod_parked(struct rd *r);
void case_nested(struct rd *r);
void case_nothing_stays(struct rd *r);
void case_number_dup2(struct rd *r);
void case_number_reused(struct rd *r);
void case_oneshot_full(struct rd *r);
void case_oneshot_out_parked(struct rd *r);
void case_oneshot_stays(struct rd *r);
void case_passed(struct rd *r);
void case_passed_closed(struct rd *r);
void case_peek(struct rd *r);
void case_poll_ends_early(struct rd *r);
void case_poll_others(struct rd *r);
void case_poll_twice(struct rd *r);
void case_poll_twice_out(struct rd *r);
void case_raw_asm(struct rd *r);
void case_raw_fin(struct rd *r);
void case_raw_syscall(struct rd *r);
void case_rcvbuf(struct rd *r);
void case_rcvlowat(struct rd *r);
void case_rcvtimeo(struct rd *r);
void case_recv_hold_out_et(struct rd *r);
void case_recv_hold_out_lt(struct rd *r);
void case_recv_rate(struct rd *r);
void case_recv_rate_away(struct rd *r);
void case_recv_rate_idle(struct rd *r);
void case_recv_rate_late(struct rd *r);
void case_recv_stall(struct rd *r);
void case_reset_blocked(struct rd *r);
void case_reset_collapses(struct rd *r);
void case_restart(struct rd *r);
void case_select_left(struct rd *r);
void case_send_delay(struct rd *r);
void case_send_hold_in_et(struct rd *r);
void case_send_hold_in_lt(struct rd *r);
void case_send_rate(struct rd *r);
void case_send_rate_away(struct rd *r);
void case_send_stall(struct rd *r);
void case_send_stall_blocking(struct rd *r);
void case_shut_blocked(struct rd *r);
void case_shut_both_blocked(struct rd *r);
void case_shut_epolled(struct rd *r);
void case_shut_polled(struct rd *r);
void case_shut_wr(struct rd *r);
void case_sndtimeo(struct rd *r);
void case_two_sets(struct rd *r);
void case_urgent(struct rd *r);
void case_v4_mapped(struct rd *r);
void case_v6only(struct rd *r);
void case_waitall(struct rd *r);

/* held.c */
void case_bad_times(struct rd *r);
void case_child_joined(struct rd *r);
void case_exclusive_out(struct rd *r);
void case_half_closed(struct rd *r);
void case_inherited_set_killed(struct rd *r);
void case_killed_late(struct rd *r);
void case_lowat_values(struct rd *r);
void case_parent_killed(struct rd *r);
void case_parent_killed_set(struct rd *r);
void case_raw_data(struct rd *r);
void case_recv_rate_short(struct rd *r);
void case_recv_rate_slow(struct rd *r);
void case_select_writer_hup(struct rd *r);
void case_send_hold_readable(struct rd *r);
void case_used_up_elsewhere(struct rd *r);

/* shut.c */
void case_accept_shut_by_parent(struct rd *r);
void case_accept_shut_by_process(struct rd *r);
void case_accept_shut_past_us(struct rd *r);
void case_send_shut_by_process(struct rd *r);
void case_send_shut_by_thread(struct rd *r);
void case_send_shut_past_us(struct rd *r);
void case_shut_by_process(struct rd *r);
void case_shut_past_us(struct rd *r);

/* SO_RCVLOWAT as the program is told. */
int case_lowat(int fd);

/* Until nothing more is taken; until the deadline nothing can be sent. */
void case_fill(int fd);
void case_hold_sending(struct rd *r);

#endif
