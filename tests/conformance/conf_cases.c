/*
 * conf_cases.c - the table: every tier-A row of the catalogue that a stock
 * kernel can be brought to produce, and the actions that claim to be real.
 */
#include "conf_real.h"

#include <string.h>

#define BIG (8U << 20) /* more than any send buffer takes */

const char *const conf_style_names[N_STYLES] = {
	[STYLE_BLOCKING] = "blocking", [STYLE_POLL] = "poll",
	[STYLE_SELECT] = "select",     [STYLE_EPOLL_LT] = "epoll-lt",
	[STYLE_EPOLL_ET] = "epoll-et",
};

const char *const conf_side_names[N_SIDES] = {
	[SIDE_CLIENT] = "client",
	[SIDE_ACCEPTED] = "accepted",
	[SIDE_LISTENER] = "listener",
	[SIDE_FRESH] = "fresh",
};

/* What can be asked of a dead connection, in several orders. */
#define AFTER_RECV                                                             \
	"RprprpspspeeqtnNdpclpP", "RpspsprpreenNtP", "RpeersptnNcrsP",         \
		"RkrpSSeoP", "RnNfpreP"
#define AFTER_SEND                                                             \
	"XpspsprpreeqtnNdpclpP", "XprprpspeetnNP", "XpeersptnNcrsP", "XkrpSSeoP"
#define AFTER_CONNECT                                                          \
	"CWpeepcWcnNK", "CWprprspstnNK", "CWpspsprnNe", "CWcWcWne", "CWnNdpe"
#define AFTER_SYNC_CONNECT "CpeetnNrrsspK", "CpcWcnN", "CpssprnNe", "CpnNdpe"
/* What can be asked of a socket in SYN_SENT. */
#define WHILE_HELD "CpecnNrsSkotpce"

/* The rule, what it is about (of plan/errnos.def or actions.def). */
#define FAULT(call_, what_, rule_)                                             \
	.call = #call_, .what = what_, .rule = #call_ ":" rule_
/* ... an errno at the first call, which the case is named after. */
#define ERRNO(call_, err_)                                                     \
	.name = #call_ "-" #err_, FAULT(call_, #err_, "error=" #err_ ":nth=1")
#define ON(sides_, styles_) .sides = sides_, .styles = styles_

const struct conf_case conf_cases[] = {
	{
		ERRNO(recv, ECONNRESET),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_resets,
		.trigger = peer_sends,
		.peer_real = real_we_reset,
		.orders = {AFTER_RECV},
	},
	{
		.name = "recv-reset",
		FAULT(recv, "reset", "reset:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_resets,
		.trigger = peer_sends,
		.peer_real = real_we_reset,
		.orders = {AFTER_RECV},
	},
	{
		.name = "recv-reset-after-shutdown",
		FAULT(recv, "reset", "reset:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_shut_then_reset,
		.trigger = trigger_shut,
		.note = "we had shut down our sending side; the peer's view "
			"is not asked",
		.orders = {"RprpspeetnNdpc", "RpeersnNc"},
	},
	{
		.name = "recv-reset-after-fin",
		FAULT(recv, "reset", "reset:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_fin_then_reset,
		.trigger = peer_half_closes,
		.peer_real = real_we_reset_after_fin,
		.note = "the peer's FIN is here: the kernel says 0 and EPIPE",
		.orders = {"RprprpspspeetnNdpcP", "RpeerpsnNP", "RpsperP"},
	},
	{
		ERRNO(recv, ETIMEDOUT),
		ON(CONNECTED, ALL_STYLES),
		.real = real_path_dies,
		.trigger = peer_sends,
		.orders = {"RprpspspeetnNdpclpP", "RpspsprenNc", "RpeersnNc"},
	},
	{
		ERRNO(recv, EAGAIN),
		ON(CONNECTED, NONBLOCKING_),
		.real_after = peer_sends,
		.trigger = peer_sends,
		.orders = {"RprprepnN", "RWrpspQ", "Rqkrp"},
	},
	{
		.name = "recv-EAGAIN-timeout",
		FAULT(recv, "EAGAIN", "error=EAGAIN:nth=1"),
		ON(CONNECTED, BIT(STYLE_BLOCKING)),
		.flags = CONF_RCVTIMEO,
		.real_after = peer_sends,
		.trigger = peer_sends,
		.note = "blocking, with SO_RCVTIMEO",
		.orders = {"RprprepnN", "Rqkrp"},
	},
	{
		ERRNO(recv, EINTR),
		ON(CONNECTED, BIT(STYLE_BLOCKING)),
		.flags = CONF_HANDLER,
		.real = real_interrupt,
		.real_after = peer_sends,
		.trigger = peer_sends,
		.orders = {"RprprenNspQh"},
	},
	{
		.name = "recv-short",
		FAULT(recv, "short", "short=1B:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = peer_sends_one,
		.real_after = peer_sends_four,
		.trigger = peer_sends,
		.orders = {"RprprpspQ", "RWrp", "Rqkrp"},
	},
	{
		.name = "recv-eof",
		FAULT(recv, "eof", "eof:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_closes,
		.trigger = peer_sends,
		.orders = {"RprpnNsZpspsprpeetn", "RsZperspn",
                           "RprkqpmpmprkqnNsZpspsprkpeetnNdpclp",
                           "RmSZprprkpSSeotd", "RdpnNdprkspeqf", "RfprsnNdpec"},
	},
	{
		.name = "recv-eof-half",
		FAULT(recv, "eof", "eof=half:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = peer_half_closes,
		.trigger = peer_sends,
		.orders = {"RprpspspnNeQ", "RprkqmpmprkqspnNceQ",
                           "RpspdpnNdprkspeqfpQ", "RfprsnNdpec"},
	},
	{
		.name = "recv-eof-half-then-reset",
		FAULT(recv, "eof", "eof=half:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = peer_half_closes,
		.trigger = peer_sends,
		.note = "a real RST after the end of the stream",
		.orders = {"RpxprkqpspspetnNdpc", "Rxpeersptn", "RxSpSe",
                           "Rmxprkspe"},
	},
	{
		.name = "recv-eof-after-shutdown",
		FAULT(recv, "eof", "eof:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_shut_then_closed,
		.trigger = trigger_shut,
		.note = "we had shut down our sending side: both are finished",
		.orders = {"RprpnNdprkqspef", "RspernNc"},
	},
	{
		.name = "recv-eof-unread",
		FAULT(recv, "eof", "eof:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_shut_then_closed,
		.trigger = trigger_closed,
		.note = "the peer's real FIN is here behind data, ours before",
		.orders = {"RprpnNdprkqspef", "RspernNc"},
	},
	{
		.name = "send-eof",
		FAULT(send, "eof", "eof:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_closes,
		.orders = {"XZprkqpspspeetnNdpclp", "XZspeprtn", "XZperspn",
                           "XZpSSeop"},
	},
	{
		.name = "send-eof-unread",
		FAULT(send, "eof", "eof:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.len = BIG,
		.real = real_peer_closes,
		.note = "more than the send buffer takes",
		.orders = {"XZprpspspeetn"},
	},
	{
		.name = "send-eof-half",
		FAULT(send, "eof", "eof=half:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = peer_half_closes,
		.orders = {"XprkqpspnNeQ", "XpmprspQ", "XdpnNsprQ"},
	},
	{
		ERRNO(send, ECONNRESET),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_resets,
		.peer_real = real_we_reset,
		.orders = {AFTER_SEND},
	},
	{
		.name = "send-reset",
		FAULT(send, "reset", "reset:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_resets,
		.peer_real = real_we_reset,
		.orders = {AFTER_SEND},
	},
	{
		.name = "send-reset-after-fin",
		FAULT(send, "reset", "reset:nth=1"),
		ON(CONNECTED, ALL_STYLES),
		.real = real_fin_then_reset,
		.trigger = peer_half_closes,
		.peer_real = real_we_reset_after_fin,
		.note = "the peer's FIN is here: EPIPE and SIGPIPE at once",
		.orders = {"XpsprpreetnNdpcP", "XperrsP"},
	},
	{
		ERRNO(send, EPIPE),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_reset_and_read,
		.peer_real = real_we_reset,
		.orders = {AFTER_SEND},
	},
	{
		ERRNO(send, EAGAIN),
		ON(CONNECTED, NONBLOCKING_),
		.real = real_send_buffer_full,
		.real_after = real_peer_takes_all,
		.orders = {"XpspQenN", "XWspsQ"},
	},
	{
		.name = "send-EAGAIN-timeout",
		FAULT(send, "EAGAIN", "error=EAGAIN:nth=1"),
		ON(CONNECTED, BIT(STYLE_BLOCKING)),
		.flags = CONF_SNDTIMEO,
		.real = real_send_buffer_full,
		.real_after = real_peer_takes_all,
		.note = "blocking, with SO_SNDTIMEO",
		.orders = {"XpspQenN"},
	},
	{
		ERRNO(send, EINTR),
		ON(CONNECTED, BIT(STYLE_BLOCKING)),
		.flags = CONF_HANDLER,
		.real = real_full_and_interrupt,
		.real_after = real_peer_takes_all,
		.orders = {"XpspQenNh"},
	},
	{
		.name = "send-short",
		FAULT(send, "short", "short=1B:nth=1"),
		ON(CONNECTED, NONBLOCKING_),
		.len = BIG,
		.real_after = real_peer_takes_all,
		.orders = {"XpspQenN", "XWspsQ"},
	},
	{
		.name = "send-short-timeout",
		FAULT(send, "short", "short=1B:nth=1"),
		ON(CONNECTED, BIT(STYLE_BLOCKING)),
		.flags = CONF_SNDTIMEO,
		.len = BIG,
		.real_after = real_peer_takes_all,
		.note = "blocking, with SO_SNDTIMEO (G4)",
		.orders = {"XpspQenN"},
	},
	{
		ERRNO(connect, ECONNREFUSED),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_to_bound_port,
		.orders = {AFTER_CONNECT},
	},
	{
		ERRNO(connect, ETIMEDOUT),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_to_deaf_listener,
		.orders = {AFTER_CONNECT},
	},
	{
		ERRNO(connect, EHOSTUNREACH),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.flags = CONF_NETNS,
		.real = real_to_no_neighbour,
		.real_after = real_unreachable_arrived,
		.note = "the neighbour does not answer",
		.orders = {AFTER_CONNECT},
	},
	{
		ERRNO(connect, ENETUNREACH),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.flags = CONF_NETNS,
		.real = real_to_no_route,
		.orders = {AFTER_SYNC_CONNECT},
	},
	{
		ERRNO(connect, EACCES),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.flags = CONF_NETNS,
		.real = real_to_prohibited,
		.note = "a prohibiting route",
		.orders = {AFTER_SYNC_CONNECT},
	},
	{
		ERRNO(connect, EINTR),
		ON(BIT(SIDE_FRESH), BIT(STYLE_BLOCKING)),
		.flags = CONF_HANDLER,
		.real = real_to_deaf_and_interrupt,
		.real_after = real_hears_again,
		.orders = {"CWeccnNsph", "CWpccnt"},
	},
	{
		.name = "connect-late",
		FAULT(connect, "delay", "delay=1s:nth=1"),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_accepts_late,
		.real_after = real_accepts_now,
		.note = "the first SYN is dropped, the second one answered",
		.orders = {WHILE_HELD "WTpeccnts", "CsrWcWcne", "CpWTspnt",
                           "CpdpecpWe"},
	},
	{
		.name = "connect-late-timeout",
		FAULT(connect, "delay", "delay=1s:nth=1"),
		ON(BIT(SIDE_FRESH), BIT(STYLE_BLOCKING)),
		.flags = CONF_SNDTIMEO,
		.real = real_accepts_late,
		.real_after = real_accepts_now,
		.note = "SO_SNDTIMEO ends before",
		.orders = {WHILE_HELD "WTpeccnts", "CCWne"},
	},
	{
		.name = "connect-late-signal",
		FAULT(connect, "delay", "delay=1s:nth=1"),
		ON(BIT(SIDE_FRESH), BIT(STYLE_BLOCKING)),
		.flags = CONF_HANDLER,
		.real = real_late_and_interrupt,
		.real_after = real_accepts_now,
		.trigger = real_interrupt,
		.note = "a signal comes before",
		.orders = {WHILE_HELD "WTpeccntsh", "CCneh"},
	},
	{
		.name = "connect-late-refused",
		FAULT(connect, "delay", "delay=1s:error=ECONNREFUSED:nth=1"),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_refuses_late,
		.real_after = real_refuses_now,
		.note = "the first SYN is dropped, the second one refused",
		.orders = {WHILE_HELD "WTpeepcWcnN", "CpWTprprspstnN",
                           "CWpspsprnNe", "CnNWcWcWne"},
	},
	{
		.name = "connect-unanswered",
		FAULT(connect, "stall", "stall:nth=1"),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_unanswered,
		.trigger = trigger_short_patience,
		.note = "with TCP_USER_TIMEOUT",
		.orders = {WHILE_HELD "WpeepcnN", "CpWprprspstnN", "CnNWcWcne"},
	},
	{
		.name = "accept-born-dead",
		FAULT(accept, "reset", "reset:nth=1"),
		ON(BIT(SIDE_LISTENER), ALL_STYLES),
		.real = real_born_dead,
		.real_after = real_dead_arrived,
		.trigger = peer_connects,
		.peer_real = real_we_reset_queued,
		.orders = {"ApajpnNrprspseetdcP", "AjpspsrrnNP", "AjpeersnP"},
	},
	{
		ERRNO(accept, ECONNABORTED),
		ON(BIT(SIDE_LISTENER), ALL_STYLES),
		.real = real_stand_in_aborted,
		.trigger = peer_connects,
		.note = "Linux never says it: the real side stands in for the "
			"errno, the rest is real",
		.orders = {"ApapetNP"},
	},
	{
		ERRNO(accept, EAGAIN),
		ON(BIT(SIDE_LISTENER), NONBLOCKING_),
		.real_after = peer_connects,
		.trigger = peer_connects,
		.orders = {"ApapajpnNsQ", "AWap"},
	},
	{
		ERRNO(accept, EINTR),
		ON(BIT(SIDE_LISTENER), BIT(STYLE_BLOCKING)),
		.flags = CONF_HANDLER,
		.real = real_interrupt,
		.real_after = peer_connects,
		.trigger = peer_connects,
		.orders = {"ApapajpnNsQh"},
	},
	{
		ERRNO(accept, EINVAL),
		ON(BIT(SIDE_LISTENER), ALL_STYLES),
		.real = real_listener_shut,
		.trigger = peer_connects,
		.note = "after shutdown of the listener",
		.orders = {"ApaetnNP", "Apslap"},
	},
	{
		.name = "accept-EMFILE",
		FAULT(accept, "exhaust", "exhaust=descriptors:for=1s"),
		ON(BIT(SIDE_LISTENER), ALL_STYLES),
		.real = real_no_descriptors_queued,
		.trigger = peer_connects,
		.orders = {"ApapEMuvVUgFgpapEpsQ", "ApUapUpFpa", "AFapajpsQ"},
	},
	{
		.name = "accept-EMFILE-empty",
		FAULT(accept, "exhaust", "exhaust=descriptors:for=1s"),
		ON(BIT(SIDE_LISTENER), BIT(STYLE_BLOCKING)),
		.real = real_no_descriptors,
		.note = "nobody has connected: accept does not wait",
		.orders = {"AapEMuvVFap", "AUaFa"},
	},
	{
		.name = "socket-EMFILE",
		FAULT(socket, "exhaust", "exhaust=descriptors:for=1s:nth=2"),
		ON(BIT(SIDE_LISTENER), BIT(STYLE_POLL)),
		.real = real_no_descriptors,
		.orders = {"OuvVEMagFgEua", "OUuFu"},
	},
	{
		ERRNO(bind, EADDRINUSE),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_to_used_port,
		.trigger = trigger_bind_any,
		.orders = {"BNtpebNlp", "BlNtp", "Brsn"},
	},
	{
		ERRNO(bind, EADDRNOTAVAIL),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_to_foreign_address,
		.trigger = trigger_bind_any,
		.orders = {"BNtpebNlp", "BlNtp", "Brsn"},
	},
	{
		ERRNO(listen, EADDRINUSE),
		ON(BIT(SIDE_FRESH), ALL_STYLES),
		.real = real_port_listened,
		.real_after = real_port_free_again,
		.trigger = trigger_bound,
		.note = "the second of two SO_REUSEADDR binds",
		.orders = {"LtpNeaprsnltp", "LbtlNta"},
	},
	{
		ERRNO(shutdown, ENOTCONN),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_resets,
		.peer_real = real_we_reset,
		.orders = {"DpnNrprspseetcP", "DpspsrrnN", "DpeersnNf"},
	},
	{
		ERRNO(getpeername, ENOTCONN),
		ON(CONNECTED, ALL_STYLES),
		.real = real_peer_resets,
		.peer_real = real_we_reset,
		.orders = {"GNprprpspseetcP", "GpspsrnN", "Gpeersdp"},
	},
	{
		ERRNO(poll, EINTR),
		ON(BIT(SIDE_LISTENER), NONBLOCKING_),
		.flags = CONF_HANDLER,
		.real = real_interrupt,
		.real_after = peer_connects,
		.trigger = peer_connects,
		.orders = {"WpapNeh", "WWa"},
	},
};

const size_t conf_n_cases = sizeof(conf_cases) / sizeof(*conf_cases);

const struct conf_case *conf_case_find(const char *name)
{
	for (size_t i = 0; i < conf_n_cases; i++)
		if (!strcmp(conf_cases[i].name, name))
			return &conf_cases[i];
	return NULL;
}
