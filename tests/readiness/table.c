/*
 * table.c - the table of cases.
 */
#include "cases.h"

#define S(x)    BIT(x)
#define MATRIX  (BIT(ANY_STYLE) - 1)
#define SIMPLE  (S(BLOCKING) | S(POLL) | S(SELECT) | S(EPOLL_LT) | S(EPOLL_ET))
#define WAITING (SIMPLE & ~S(BLOCKING))
#define LT_ET   (S(EPOLL_LT) | S(EPOLL_ET))
#define ONE     S(ANY_STYLE)

#define T(x)  BIT(x)
#define BOTH  (T(ARMED) | T(CALL))
#define THREE (BOTH | T(ALWAYS))
#define FOUR  (THREE | T(SECOND))

#define SINGLE(name_, run_)                                                    \
	{                                                                      \
		.name = name_, .run = run_, .styles = ONE, .triggers = BOTH    \
	}
/* A sleeper is woken by the arrival where the hold begins at a call. */
#define AT_ARRIVAL(name_, run_)                                                \
	{                                                                      \
		.name = name_, .run = run_, .styles = ONE,                     \
		.triggers = T(ARMED)                                           \
	}
#define OWN_RULE(name_, run_, styles_, rule_, ms_)                             \
	{                                                                      \
		.name = name_, .run = run_, .styles = styles_,                 \
		.triggers = T(OWN), .rule = rule_, .ms = ms_                   \
	}

#define ACCEPTED ":role=accepted:nth=1"

const char *const rd_style_names[N_STYLES] = {
	[BLOCKING] = "blocking",
	[POLL] = "poll",
	[SELECT] = "select",
	[EPOLL_LT] = "epoll-lt",
	[EPOLL_ET] = "epoll-et",
	[LT_THREADS] = "lt-threads",
	[ONESHOT_THREADS] = "oneshot-threads",
	[EPOLL_50MS] = "epoll-50ms",
	[ANY_STYLE] = "-",
};

const char *const rd_trigger_names[N_TRIGGERS] = {
	[ARMED] = "armed",   [CALL] = "call", [ALWAYS] = "always",
	[SECOND] = "second", [OWN] = "own",
};

const struct rd_case rd_cases[] = {
	/* matrix.c */
	{.name = "data",
         .run = case_data,
         .styles = MATRIX,
         .triggers = FOUR,
         .both_families = true},
	{.name = "fin",
         .run = case_fin,
         .styles = MATRIX,
         .triggers = FOUR,
         .both_families = true},
	{.name = "fin-during-hold",
         .run = case_fin_during,
         .styles = MATRIX,
         .triggers = BOTH,
         .both_families = true},
	{.name = "flood",
         .run = case_flood,
         .styles = MATRIX,
         .triggers = BOTH,
         .both_families = true},
	/* arrivals.c */
	{.name = "arrivals",
         .run = case_arrivals,
         .styles = SIMPLE,
         .triggers = T(ALWAYS)},
	{.name = "arrivals-in-bits",
         .run = case_arrivals_peeked,
         .styles = SIMPLE,
         .triggers = T(ALWAYS)},
	{.name = "arrivals-fin",
         .run = case_arrivals_fin,
         .styles = SIMPLE,
         .triggers = T(ALWAYS)},
	/* recv.c */
	{.name = "peek", .run = case_peek, .styles = ONE, .triggers = THREE},
	{.name = "fionread",
         .run = case_fionread,
         .styles = ONE,
         .triggers = THREE},
	{.name = "waitall",
         .run = case_waitall,
         .styles = ONE,
         .triggers = T(ARMED) | T(CALL)},
	SINGLE("rcvtimeo-shorter", case_rcvtimeo),
	SINGLE("eintr-at-80ms", case_eintr),
	SINGLE("eintr-restart", case_restart),
	SINGLE("eintr-rcvtimeo", case_eintr_rcvtimeo),
	SINGLE("eintr-poll", case_eintr_wait),
	SINGLE("cancel-during-delay", case_cancel),
	SINGLE("reset-collapses-hold", case_reset_collapses),
	SINGLE("reset-while-blocked", case_reset_blocked),
	SINGLE("shutdown-rd-by-thread", case_shut_blocked),
	SINGLE("shutdown-rdwr-by-thread", case_shut_both_blocked),
	SINGLE("shutdown-rd-while-polled", case_shut_polled),
	SINGLE("shutdown-rd-while-epolled", case_shut_epolled),
	SINGLE("shutdown-wr-during-hold", case_shut_wr),
	SINGLE("rcvlowat-virtualised", case_rcvlowat),
	SINGLE("rcvbuf-set-during-hold", case_rcvbuf),
	OWN_RULE("recv-stall", case_recv_stall, SIMPLE,
                 "recv:stall=300ms" ACCEPTED, 300),
	OWN_RULE("recv-rate", case_recv_rate, SIMPLE,
                 "recv:rate=200KB/s:role=accepted", 1000),
	{.name = "disarmed",
         .run = case_disarmed,
         .styles = SIMPLE,
         .triggers = T(OWN),
         .rule = "recv:delay=1h:role=accepted:nth=1:name=slow",
         .flags = RD_RUNNER},
	/* epoll.c */
	{.name = "recv-hold-out-lt",
         .run = case_recv_hold_out_lt,
         .styles = ONE,
         .triggers = BOTH},
	SINGLE("recv-hold-out-et", case_recv_hold_out_et),
	SINGLE("two-sets-equal-data", case_two_sets),
	SINGLE("epoll-ctl-errors", case_ctl_errors),
	SINGLE("mod-while-parked", case_mod_parked),
	SINGLE("mod-mask-while-parked", case_mod_mask),
	SINGLE("del-while-parked", case_del_parked),
	SINGLE("changed-by-child", case_changed_by_child),
	SINGLE("oneshot-fired-stays", case_oneshot_stays),
	SINGLE("oneshot-fired-full", case_oneshot_full),
	SINGLE("finished-before-fin", case_finished),
	SINGLE("registered-by-asm", case_raw_asm),
	SINGLE("registered-by-asm-fin", case_raw_fin),
	SINGLE("registered-by-syscall", case_raw_syscall),
	SINGLE("nested-epoll", case_nested),
	{.name = "connects-while-asked",
         .run = case_connects_asked,
         .styles = ONE,
         .triggers = T(OWN),
         .rule = "connect:delay=3ms",
         .flags = RD_SAME_WITHOUT},
	AT_ARRIVAL("thread-already-waiting", case_already_waiting),
	SINGLE("added-to-waiting-set", case_added_to_waiting),
	AT_ARRIVAL("exclusive-one-wake", case_exclusive),
	SINGLE("poll-same-twice", case_poll_twice),
	SINGLE("poll-same-twice-out", case_poll_twice_out),
	SINGLE("poll-with-others", case_poll_others),
	SINGLE("poll-hold-ends-early", case_poll_ends_early),
	SINGLE("select-time-left", case_select_left),
	/* exclusive.c */
	OWN_RULE("exclusive-threads", case_exclusive_threads, LT_ET,
                 "accept:delay=200ms:nth=1", 0),
	OWN_RULE("exclusive-processes", case_exclusive_processes, LT_ET,
                 "accept:delay=600ms:nth=1", 600),
	OWN_RULE("exclusive-worker-busy", case_exclusive_busy, LT_ET,
                 "accept:delay=600ms:nth=1", 600),
	OWN_RULE("exclusive-worker-dies", case_exclusive_dies, LT_ET,
                 "accept:delay=600ms:nth=1", 600),
	OWN_RULE("exclusive-process-exits", case_exclusive_exits, ONE,
                 "accept:delay=200ms:nth=1", 0),
	{.name = "exclusive-refused",
         .run = case_exclusive_refused,
         .styles = ONE,
         .triggers = T(OWN),
         .rule = "accept:error=EAGAIN:nth=1",
         .flags = RD_SAME_WITHOUT},
	/* share.c */
	SINGLE("dups-share-hold", case_dups),
	SINGLE("dup-closed-during-hold", case_dup_closed),
	{.name = "number-reused",
         .run = case_number_reused,
         .styles = ONE,
         .triggers = BOTH,
         .flags = RD_FIRST | RD_SAME_WITHOUT},
	{.name = "number-dup2",
         .run = case_number_dup2,
         .styles = ONE,
         .triggers = BOTH,
         .flags = RD_FIRST | RD_SAME_WITHOUT},
	SINGLE("child-handles", case_child_handles),
	SINGLE("inherited", case_inherited),
	SINGLE("inherited-parent-closes", case_inherited_closed),
	SINGLE("inherited-parent-exits", case_inherited_orphan),
	SINGLE("inherited-set", case_inherited_set),
	SINGLE("inherited-blocking", case_inherited_blocking),
	SINGLE("holder-killed-poll", case_killed_poll),
	SINGLE("holder-killed-epoll", case_killed_epoll),
	SINGLE("holder-killed-blocking", case_killed_blocking),
	{.name = "exec-during-hold",
         .run = case_exec,
         .styles = ONE,
         .triggers = BOTH,
         .flags = RD_SAME_WITHOUT},
	{.name = "exec-in-child",
         .run = case_exec_child,
         .styles = ONE,
         .triggers = BOTH,
         .flags = RD_SAME_WITHOUT},
	SINGLE("exec-of-another", case_exec_other),
	SINGLE("child-exits", case_child_exits),
	SINGLE("scm-rights", case_passed),
	SINGLE("scm-rights-sender-closes", case_passed_closed),
	/* send.c */
	OWN_RULE("send-delay", case_send_delay, SIMPLE,
                 "send:delay=200ms" ACCEPTED, 0),
	OWN_RULE("send-sndtimeo", case_sndtimeo, ONE,
                 "send:delay=200ms" ACCEPTED, 0),
	OWN_RULE("send-hold-in-lt", case_send_hold_in_lt, ONE,
                 "send:delay=200ms" ACCEPTED, 0),
	OWN_RULE("send-hold-in-et", case_send_hold_in_et, ONE,
                 "send:delay=200ms" ACCEPTED, 0),
	OWN_RULE("oneshot-while-out-parked", case_oneshot_out_parked, ONE,
                 "send:delay=200ms" ACCEPTED, 0),
	OWN_RULE("send-stall", case_send_stall, WAITING,
                 "send:stall=300ms" ACCEPTED, 300),
	OWN_RULE("send-stall-blocking", case_send_stall_blocking, ONE,
                 "send:stall=300ms" ACCEPTED, 300),
	OWN_RULE("send-rate", case_send_rate, SIMPLE,
                 "send:rate=200KB/s:role=accepted", 1000),
	SINGLE("handler-writes", case_handler_writes),
	OWN_RULE("handler-writes-held", case_handler_writes, ONE,
                 "recv:delay=200ms" ACCEPTED
                 ";send:delay=30ms:role=accepted:nth=20+20",
                 0),
	/* held.c */
	SINGLE("lowat-values", case_lowat_values),
	SINGLE("bad-times", case_bad_times),
	OWN_RULE("select-writer-hup", case_select_writer_hup, ONE,
                 "recv:delay=1s" ACCEPTED, 1000),
	SINGLE("registered-raw-data", case_raw_data),
	SINGLE("exclusive-in-and-out", case_exclusive_out),
	SINGLE("half-closed-hold", case_half_closed),
	SINGLE("child-joins-and-exits", case_child_joined),
	SINGLE("holder-killed-late", case_killed_late),
	SINGLE("inherited-set-killed", case_inherited_set_killed),
	AT_ARRIVAL("parent-killed-armed", case_parent_killed),
	AT_ARRIVAL("parent-killed-armed-set", case_parent_killed_set),
	OWN_RULE("rule-used-up-elsewhere", case_used_up_elsewhere, ONE,
                 "recv:delay=500ms:times=1:role=accepted:connection=3"
                 ";recv:delay=100ms:times=1:role=accepted",
                 500),
	OWN_RULE("send-hold-readable-et", case_send_hold_readable, ONE,
                 "send:delay=200ms" ACCEPTED, 0),
	{.name = "recv-rate-et-short",
         .run = case_recv_rate_short,
         .styles = ONE,
         .triggers = T(OWN),
         .rule = "recv:rate=1MB/s:role=accepted",
         .flags = RD_SAME_WITHOUT},
	OWN_RULE("recv-rate-slow", case_recv_rate_slow, SIMPLE,
                 "recv:rate=10B/s:role=accepted", 400),
	/* open.c */
	OWN_RULE("accept-delay", case_accept_delay, SIMPLE,
                 "accept:delay=200ms:nth=1", 0),
	OWN_RULE("accept-asked-early", case_accept_again, WAITING,
                 "accept:delay=200ms:nth=1", 0),
	OWN_RULE("accept-two", case_accept_two, ONE, "accept:delay=200ms:nth=1",
                 0),
	OWN_RULE("connect-late", case_connect_late, SIMPLE,
                 "connect:delay=1s:nth=1", 1000),
	OWN_RULE("connect-sndtimeo", case_connect_sndtimeo, ONE,
                 "connect:delay=1s:nth=1", 1000),
	OWN_RULE("connect-fails-late", case_connect_fails_late, SIMPLE,
                 "connect:delay=1s:error=ECONNREFUSED:nth=1", 1000),
	OWN_RULE("connect-unanswered", case_connect_stall, SIMPLE,
                 "connect:stall:nth=1", 1000),
	/* rare.c */
	SINGLE("v6only", case_v6only),
	SINGLE("v4-mapped", case_v4_mapped),
	SINGLE("defer-accept", case_defer_accept),
	{.name = "fastopen",
         .run = case_fastopen,
         .styles = ONE,
         .triggers = BOTH,
         .flags = RD_NETNS},
	SINGLE("urgent", case_urgent),
	{.name = "holds-10000",
         .run = case_many,
         .styles = ONE,
         .triggers = T(OWN),
         .rule = "recv:delay=1s" ACCEPTED,
         .ms = 1000,
         .flags = RD_LONG},
	{.name = "nothing-stays",
         .run = case_nothing_stays,
         .styles = ONE,
         .triggers = BOTH,
         .flags = RD_ONCE},
};
const size_t rd_n_cases = sizeof(rd_cases) / sizeof(rd_cases[0]);

/* Lines that a preload cannot make equal, with the reason: none. */
const struct rd_exception rd_exceptions[] = {
	{0},
};
const size_t rd_n_exceptions =
	sizeof(rd_exceptions) / sizeof(rd_exceptions[0]) - 1;
