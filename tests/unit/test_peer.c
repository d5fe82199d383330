/*
 * test_peer.c - scripted programs over real loopback sockets (peer.h).
 * The peer plays in a thread; the test is the other side.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/peer.h"

enum {
	DEADLINE_MS = 10000
};

/* ---- steps --------------------------------------------------------------- */

static char file_name[] = "f.yaml";

static struct step of_kind(enum step_kind kind)
{
	return (struct step){.kind = kind, .loc = {file_name, 7, 3}};
}

static struct step send_of(const char *text)
{
	struct step s = of_kind(STEP_SEND);

	s.bytes = strdup(text);
	s.n_bytes = strlen(text);
	return s;
}

static struct step send_size(uint64_t size, uint64_t rate)
{
	struct step s = of_kind(STEP_SEND);

	s.size = size;
	s.rate = rate;
	return s;
}

static struct step recv_of(const char *text)
{
	struct step s = of_kind(STEP_RECV);

	s.recv = RECV_TEXT;
	s.text.text = strdup(text);
	return s;
}

static struct step recv_ere(const char *text)
{
	struct step s = recv_of(text);

	s.text.regex = true;
	return s;
}

static struct step recv_size(uint64_t size)
{
	struct step s = of_kind(STEP_RECV);

	s.recv = RECV_SIZE;
	s.size = size;
	return s;
}

static struct step recv_end(enum recv_kind kind)
{
	struct step s = of_kind(STEP_RECV);

	s.recv = kind;
	return s;
}

static struct step within_ms(struct step s, int64_t min, int64_t max)
{
	s.has_within = true;
	s.within_ns = (struct range){min * NS_PER_MS, max * NS_PER_MS};
	return s;
}

static struct step wait_ms(int64_t ms)
{
	struct step s = of_kind(STEP_WAIT_TIME);

	s.time_ns = ms * NS_PER_MS;
	return s;
}

static struct step repeat_of(uint32_t times, struct step *v, size_t n)
{
	struct step s = of_kind(STEP_REPEAT);

	s.times = times;
	s.steps = v;
	s.n_steps = n;
	return s;
}

static void free_steps(struct step *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].bytes);
		free(v[i].text.text);
		free_steps(v[i].steps, v[i].n_steps);
	}
}

/* ---- a peer in a thread -------------------------------------------------- */

struct bench {
	char name[2];
	struct program program;
	struct script scripts[4];
	struct peer *peer;
	pthread_t thread;
	int stop[2];
	char *said;
	size_t said_len;
	FILE *err;
	int status;
};

static void *play(void *context)
{
	struct bench *b = context;

	b->status = peer_play(b->peer, b->stop[0]);
	return NULL;
}

static void bench_init(struct bench *b, enum program_kind kind, uint16_t port)
{
	*b = (struct bench){.name = "s", .status = -1};
	b->program = (struct program){.name = b->name,
	                              .loc = {file_name, 3, 1},
	                              .kind = kind,
	                              .address = {.port = port},
	                              .accept = true,
	                              .scripts = b->scripts};
	b->err = open_memstream(&b->said, &b->said_len);
	assert_non_null(b->err);
	assert_int_equal(pipe2(b->stop, O_CLOEXEC), 0);
}

static void add_script(struct bench *b, uint32_t first, uint32_t last,
                       struct step *v, size_t n)
{
	b->scripts[b->program.n_scripts++] = (struct script){
		.connections = {.first = first, .last = last, .step = 1},
		.steps = {v, n}};
}

static void bench_start(struct bench *b)
{
	b->peer = peer_new(&b->program, 1, b->err);
	assert_non_null(b->peer);
	assert_int_equal(peer_open(b->peer), 0);
	assert_int_equal(pthread_create(&b->thread, NULL, play, b), 0);
}

/* A server with one script for all. */
static void serve(struct bench *b, struct step *v, size_t n)
{
	bench_init(b, PROGRAM_LISTEN, 0);
	add_script(b, 0, 0, v, n);
	bench_start(b);
}

/* Waits for its end; it is told to stop unless it ends by itself. */
static void bench_end(struct bench *b, bool stop, int status, const char *said)
{
	if (stop)
		assert_int_equal(write(b->stop[1], "x", 1), 1);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	peer_free(b->peer);
	fclose(b->err);
	if (said)
		assert_string_equal(b->said, said);
	assert_int_equal(b->status, status);
	free(b->said);
	close(b->stop[0]);
	close(b->stop[1]);
	for (size_t i = 0; i < b->program.n_scripts; i++)
		free_steps(b->scripts[i].steps.v, b->scripts[i].steps.n);
}

/* ---- the other side ------------------------------------------------------ */

static int call(const struct bench *b)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons(peer_port(b->peer)),
	                         .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
	                 strlen(text));
}

static void await_input(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

/* Just these bytes, in any pieces. */
static void get(int fd, const char *want)
{
	size_t len = strlen(want), n = 0;
	char buf[512];

	while (n < len) {
		ssize_t r;

		await_input(fd);
		r = recv(fd, buf + n, len - n, 0);
		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal(buf, want, len);
}

/* What the end of the connection is: 0, or the errno. */
static int end_of(int fd)
{
	char buf[65536];
	ssize_t r;

	do {
		await_input(fd);
		r = recv(fd, buf, sizeof(buf), 0);
	} while (r > 0);
	return r == 0 ? 0 : errno;
}

static void reset(int fd)
{
	struct linger l = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

/* ---- steps that go well -------------------------------------------------- */

static void a_text_is_taken_and_the_rest_stays(void **state)
{
	struct step v[] = {recv_of("PING\n"),    send_of("1"),
	                   recv_ere("^[0-9]+;"), send_of("2"),
	                   recv_size(3),         send_of("3"),
	                   recv_end(RECV_EOF)};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 7);
	fd = call(&b);
	put(fd, "xPING\n42;abc");
	get(fd, "123");
	shutdown(fd, SHUT_WR);
	assert_int_equal(end_of(fd), 0);
	close(fd);
	bench_end(&b, true, 0, "");
}

/* What was sent before has been read: a later connection has its answer. */
static void await_read(const struct bench *b)
{
	int fd = call(b);

	get(fd, "k");
	close(fd);
}

static void a_text_may_come_in_pieces(void **state)
{
	struct step v[] = {recv_of("abcabd"), send_of("."), recv_ere("x+y"),
	                   send_of("!")};
	struct step w[] = {send_of("k")};
	const char *const pieces[] = {"abcab", "cab", "d", "xx", "y"};
	struct bench b;
	int fd;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	add_script(&b, 1, 1, v, 4);
	add_script(&b, 2, UINT32_MAX, w, 1);
	bench_start(&b);
	fd = call(&b);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		put(fd, pieces[i]);
		await_read(&b);
	}
	get(fd, ".!");
	close(fd);
	bench_end(&b, true, 0, "");
}

static void close_is_a_fin_though_data_are_unread(void **state)
{
	struct step v[] = {wait_ms(1), recv_size(1), send_of("b"),
	                   of_kind(STEP_CLOSE)};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 4);
	fd = call(&b);
	put(fd, "a and more");
	get(fd, "b");
	assert_int_equal(end_of(fd), 0);
	close(fd);
	bench_end(&b, true, 0, "");
}

static void reset_is_an_rst(void **state)
{
	struct step v[] = {recv_of("a"), of_kind(STEP_RESET)};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 2);
	fd = call(&b);
	put(fd, "a");
	assert_int_equal(end_of(fd), ECONNRESET);
	close(fd);
	bench_end(&b, true, 0, "");
}

static void half_close_still_receives(void **state)
{
	struct step v[] = {of_kind(STEP_HALF_CLOSE), recv_of("late"),
	                   recv_end(RECV_EOF)};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 3);
	fd = call(&b);
	assert_int_equal(end_of(fd), 0);
	put(fd, "late");
	close(fd);
	bench_end(&b, true, 0, "");
}

static void a_reset_can_be_waited_for(void **state)
{
	struct step v[] = {recv_of("a"), send_of("b"), recv_end(RECV_RESET)};
	struct step w[] = {recv_of("a"), recv_end(RECV_EOF), send_of("b"),
	                   recv_end(RECV_RESET)};
	struct bench b;
	int fd;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	add_script(&b, 1, 1, v, 3);
	add_script(&b, 2, 2, w, 4);
	bench_start(&b);
	fd = call(&b);
	put(fd, "a more");
	get(fd, "b");
	reset(fd);
	/* Behind a FIN too: closed with unread data. */
	fd = call(&b);
	put(fd, "a");
	shutdown(fd, SHUT_WR);
	await_input(fd);
	close(fd);
	bench_end(&b, true, 0, "");
}

static void a_send_may_be_cut_off_by_the_reset_behind_it(void **state)
{
	struct step v[] = {send_size(1 << 30, 0), recv_end(RECV_RESET)};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 2);
	fd = call(&b);
	await_input(fd);
	reset(fd);
	bench_end(&b, true, 0, "");
}

static void echo_and_drain_end_with_the_other_side(void **state)
{
	struct step v[] = {of_kind(STEP_ECHO)};
	struct step w[] = {of_kind(STEP_DRAIN), send_of("done")};
	struct bench b;
	int fd;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	add_script(&b, 1, 1, v, 1);
	add_script(&b, 2, UINT32_MAX, w, 2);
	bench_start(&b);
	fd = call(&b);
	put(fd, "hello");
	get(fd, "hello");
	shutdown(fd, SHUT_WR);
	assert_int_equal(end_of(fd), 0);
	close(fd);
	fd = call(&b);
	put(fd, "hello");
	shutdown(fd, SHUT_WR);
	get(fd, "done");
	close(fd);
	bench_end(&b, true, 0, "");
}

static void repeats_nest_and_forever_ends_between_rounds(void **state)
{
	struct step inner[] = {send_of("ab")};
	struct step outer[] = {recv_of("?"), repeat_of(2, inner, 1),
	                       send_of(";")};
	struct step v[] = {repeat_of(2, outer, 3), send_of("|")};
	struct step round[] = {recv_of("?"), send_of("!")};
	struct step w[] = {repeat_of(0, round, 2)};
	struct bench b;
	int fd;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	add_script(&b, 1, 1, v, 2);
	add_script(&b, 2, 2, w, 1);
	bench_start(&b);
	fd = call(&b);
	put(fd, "??");
	get(fd, "abab;abab;|");
	close(fd);
	fd = call(&b);
	put(fd, "???");
	get(fd, "!!!");
	shutdown(fd, SHUT_WR);
	assert_int_equal(end_of(fd), 0);
	close(fd);
	bench_end(&b, true, 0, "");
}

static void a_rate_takes_its_time(void **state)
{
	struct step v[] = {send_size(3000, 10000)};
	int64_t begin = now_ns();
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 1);
	fd = call(&b);
	assert_int_equal(end_of(fd), 0);
	assert_true(now_ns() - begin >= 250 * NS_PER_MS);
	close(fd);
	bench_end(&b, true, 0, "");
}

static void a_full_queue_lets_connects_hang(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	b.program.accept = false;
	bench_start(&b);
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons(peer_port(b.peer)),
	                         .sin_addr = {htonl(INADDR_LOOPBACK)}};

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINPROGRESS);
	struct pollfd p = {fd, POLLOUT, 0};

	assert_int_equal(poll(&p, 1, 200), 0);
	close(fd);
	bench_end(&b, true, 0, "");
}

static void a_thousand_connections_at_once(void **state)
{
	enum {
		N = 1000
	};
	struct step v[] = {send_of("a"), recv_of("b"), send_of("c")};
	static int fds[N];
	struct rlimit files;
	struct bench b;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < 3 * N) {
		print_message("no room for %d descriptors\n", 3 * N);
		return;
	}
	serve(&b, v, 3);
	for (int i = 0; i < N; i++)
		fds[i] = call(&b);
	for (int i = 0; i < N; i++)
		get(fds[i], "a");
	for (int i = N; i-- > 0;)
		put(fds[i], "b");
	for (int i = 0; i < N; i++) {
		get(fds[i], "c");
		assert_int_equal(end_of(fds[i]), 0);
		close(fds[i]);
	}
	bench_end(&b, true, 0, "");
}

static void the_unpicked_are_kept(void **state)
{
	struct step v[] = {send_of("a")};
	struct bench b;
	int first, second;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	add_script(&b, 2, 2, v, 1);
	bench_start(&b);
	first = call(&b);
	second = call(&b);
	put(first, "nobody reads this");
	get(second, "a");
	assert_int_equal(end_of(second), 0);
	/* The queue is drained: its end is a FIN, not a RST. */
	bench_end(&b, true, 0, "");
	assert_int_equal(end_of(first), 0);
	close(first);
	close(second);
}

static void both_sides_can_be_scripted(void **state)
{
	struct step v[] = {recv_of("PING"), send_of("PONG"),
	                   recv_end(RECV_EOF)};
	struct step w[] = {send_of("PING"), recv_of("PONG")};
	struct bench server, client;

	(void)state;
	serve(&server, v, 3);
	bench_init(&client, PROGRAM_CONNECT, peer_port(server.peer));
	add_script(&client, 0, 0, w, 2);
	bench_start(&client);
	bench_end(&client, false, 0, "");
	bench_end(&server, true, 0, "");
}

/* ---- what went wrong ----------------------------------------------------- */

/* One connection: sends text, then closes, half-closes or resets. */
static void fails(struct step *v, size_t n, const char *text, char how,
                  const char *said)
{
	struct bench b;
	int fd;

	serve(&b, v, n);
	fd = call(&b);
	put(fd, text);
	if (how == 'f')
		shutdown(fd, SHUT_WR);
	/* The script ends with the failure; we see its end. */
	if (how == 'r')
		reset(fd);
	else
		assert_int_equal(end_of(fd), 0);
	if (how != 'r')
		close(fd);
	bench_end(&b, true, 1, said);
}

#define AT "f.yaml:7:3: connection 1: "

static void failures_say_what_came(void **state)
{
	struct step text[] = {recv_of("PING\r\n")};
	struct step late[] = {within_ms(recv_ere("a+b"), 0, 50)};
	struct step early[] = {within_ms(recv_of("a"), 5000, 9000)};
	struct step none[] = {within_ms(recv_size(3), 0, 50)};
	struct step eof[] = {recv_end(RECV_EOF)};
	struct step gone[] = {recv_end(RECV_EOF)};
	struct step end[] = {recv_end(RECV_RESET)};

	(void)state;
	fails(text, 1, "PO\x01\"", 'f',
	      AT "expected recv \"PING\\r\\n\", got eof after 4 B: "
	         "\"PO\\x01\\\"\"\n");
	fails(late, 1, "aaa", '-',
	      AT "expected recv /a+b/, got 3 B within 0.05s: \"aaa\"\n");
	fails(none, 1, "", '-',
	      AT "expected recv 3 B, nothing came within 0.05s\n");
	fails(early, 1, "a", '-', NULL);
	fails(eof, 1, "data", '-', AT "expected recv eof, got 4 B: \"data\"\n");
	fails(gone, 1, "", 'r', AT "expected recv eof, got reset\n");
	fails(end, 1, "data", 'f', AT "expected recv reset, got eof\n");
}

static void a_text_is_not_searched_for_ever(void **state)
{
	struct step v[] = {recv_of("never")};
	size_t len = PEER_TEXT_MAX + 1;
	char *text = malloc(len + 1);

	(void)state;
	memset(text, 'x', len);
	text[len] = '\0';
	fails(v, 1, text, '-', NULL);
	free(text);
}

static void a_lost_client_in_mid_round_is_a_failure(void **state)
{
	struct step round[] = {recv_of("a"), recv_of("b")};
	struct step v[] = {repeat_of(0, round, 2)};

	(void)state;
	fails(v, 1, "abab a", 'f', AT "expected recv \"b\", got eof\n");
}

static void what_never_came_is_said(void **state)
{
	struct step v[] = {recv_of("a")}, w[] = {recv_of("b")};
	struct bench b;

	(void)state;
	bench_init(&b, PROGRAM_LISTEN, 0);
	add_script(&b, 3, 5, v, 1);
	add_script(&b, 0, 0, w, 1);
	bench_start(&b);
	bench_end(&b, true, 1,
	          "f.yaml:3:1: connection 3 never came\n"
	          "f.yaml:3:1: no connection came\n");
}

/*
 * Stopped while it waits, and only `last` is to come; gone: the other side is.
 */
static void stop_while_it_waits(struct step last, bool gone, int status,
                                const char *said)
{
	struct step round[] = {send_of("x"), wait_ms(60000), last};
	struct step v[] = {repeat_of(1, round, 3), of_kind(STEP_CLOSE)};
	struct bench b;
	int fd;

	serve(&b, v, 2);
	fd = call(&b);
	get(fd, "x");
	if (gone)
		close(fd);
	bench_end(&b, true, status, said);
	if (!gone)
		close(fd);
}

static void what_nobody_would_see_needs_no_end(void **state)
{
	(void)state;
	stop_while_it_waits(of_kind(STEP_HALF_CLOSE), true, 0, "");
	stop_while_it_waits(of_kind(STEP_RESET), true, 0, "");
	stop_while_it_waits(wait_ms(1), true, 0, "");
}

static void what_somebody_would_see_needs_one(void **state)
{
	const char said[] = AT "expected wait 60s, was stopped before that\n";

	(void)state;
	stop_while_it_waits(of_kind(STEP_HALF_CLOSE), false, 1, said);
	stop_while_it_waits(recv_end(RECV_EOF), true, 1, said);
	stop_while_it_waits(send_of("y"), true, 1, said);
}

/* `repeat` ends with its last round only: the next one sends again. */
static void a_round_to_come_counts(void **state)
{
	struct step round[] = {send_of("x"), wait_ms(60000)};
	struct step v[] = {repeat_of(2, round, 2)};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 1);
	fd = call(&b);
	get(fd, "x");
	close(fd);
	bench_end(&b, true, 1,
	          AT "expected wait 60s, was stopped before that\n");
}

static void what_is_stopped_in_the_middle_is_said(void **state)
{
	struct step v[] = {send_of("x"), recv_of("hello")};
	struct bench b;
	int fd;

	(void)state;
	serve(&b, v, 2);
	fd = call(&b);
	get(fd, "x");
	put(fd, "hell");
	bench_end(&b, true, 1,
	          AT "expected recv \"hello\", was stopped before that: "
	             "\"hell\"\n");
	close(fd);
}

static void nobody_listens(void **state)
{
	struct step v[] = {send_of("x")};
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct bench b;

	(void)state;
	/* Bound, so that nobody else gets it, and not listening. */
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	bench_init(&b, PROGRAM_CONNECT, ntohs(a.sin_port));
	add_script(&b, 0, 0, v, 1);
	bench_start(&b);
	pthread_join(b.thread, NULL);
	fflush(b.err);
	assert_non_null(strstr(b.said, "f.yaml:3:1: cannot connect to port "));
	assert_non_null(strstr(b.said, ": Connection refused\n"));
	/* It may be joined but once. */
	pthread_create(&b.thread, NULL, play, &b);
	bench_end(&b, false, 1, NULL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_taken_and_the_rest_stays),
		cmocka_unit_test(a_text_may_come_in_pieces),
		cmocka_unit_test(close_is_a_fin_though_data_are_unread),
		cmocka_unit_test(reset_is_an_rst),
		cmocka_unit_test(half_close_still_receives),
		cmocka_unit_test(a_reset_can_be_waited_for),
		cmocka_unit_test(a_send_may_be_cut_off_by_the_reset_behind_it),
		cmocka_unit_test(echo_and_drain_end_with_the_other_side),
		cmocka_unit_test(repeats_nest_and_forever_ends_between_rounds),
		cmocka_unit_test(a_rate_takes_its_time),
		cmocka_unit_test(a_full_queue_lets_connects_hang),
		cmocka_unit_test(a_thousand_connections_at_once),
		cmocka_unit_test(the_unpicked_are_kept),
		cmocka_unit_test(both_sides_can_be_scripted),
		cmocka_unit_test(failures_say_what_came),
		cmocka_unit_test(a_text_is_not_searched_for_ever),
		cmocka_unit_test(a_lost_client_in_mid_round_is_a_failure),
		cmocka_unit_test(what_never_came_is_said),
		cmocka_unit_test(what_nobody_would_see_needs_no_end),
		cmocka_unit_test(what_somebody_would_see_needs_one),
		cmocka_unit_test(a_round_to_come_counts),
		cmocka_unit_test(what_is_stopped_in_the_middle_is_said),
		cmocka_unit_test(nobody_listens),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
