/*
 * conf_real.h - the producers (conf_real.c). `real_` makes a situation with a
 * real peer, route or limit; `trigger_` only what a call needs so that an
 * injection on it is due. Whatever the peer does has arrived when they return.
 */
#ifndef TESTS_CONFORMANCE_CONF_REAL_H
#define TESTS_CONFORMANCE_CONF_REAL_H

#include "conf.h"

/* The peer sends, resets, closes. */
conf_producer peer_sends, peer_sends_one, peer_sends_four;
conf_producer peer_sends_unasked;
conf_producer real_peer_resets, real_peer_reset_and_read;
conf_producer real_peer_closes, peer_half_closes;
conf_producer real_fin_then_reset, real_shut_then_reset, trigger_shut;
conf_producer real_shut_then_closed, trigger_closed;
conf_producer real_path_dies;

/* The peer's view of a reset: a connection that we reset. */
conf_producer real_we_reset, real_we_reset_after_fin, real_we_reset_queued;

/* Our own buffers, descriptors and signals. */
conf_producer real_send_buffer_full, real_peer_takes_all;
conf_producer real_no_descriptors, real_descriptors;
conf_producer real_interrupt, real_full_and_interrupt;

/* Listener. */
conf_producer peer_connects, real_born_dead, real_dead_arrived;
conf_producer real_listener_shut, real_stand_in_aborted;
conf_producer real_no_descriptors_queued;

/* connect: where to. */
conf_producer real_to_bound_port, real_to_deaf_listener;
conf_producer real_to_deaf_and_interrupt, real_hears_again;
conf_producer real_to_no_neighbour, real_unreachable_arrived;
conf_producer real_to_no_route, real_to_prohibited;
conf_producer real_to_full_listener;
conf_producer real_accepts_late, real_accepts_now, real_late_and_interrupt;
conf_producer real_refuses_late, real_refuses_now;
conf_producer real_unanswered, trigger_short_patience;

/* bind and listen. */
conf_producer real_to_used_port, real_to_foreign_address, trigger_bind_any;
conf_producer real_port_listened, real_port_free_again, trigger_bound;

#endif
