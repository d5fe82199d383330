/*
 * line.c - see line.h.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "arrivals.h"
#include "cut.h"
#include "line.h"

#include "poison.h"

enum {
	/* What an idle line may save up, and what is waited for. */
	QUANTUM_NS = 50000000,
};

static bool receives(const struct shim_call *c)
{
	return c->row->family == FAMILY_RECV;
}

static _Atomic uint64_t *next_byte(struct shim_call *c)
{
	return receives(c) ? &c->sock->rx_next_ns : &c->sock->tx_next_ns;
}

static _Atomic uint64_t *busy_until(struct shim_call *c)
{
	return receives(c) ? &c->sock->rx_busy_ns : &c->sock->tx_busy_ns;
}

static uint64_t time_of(uint64_t bytes, uint64_t rate)
{
	return bytes > UINT64_MAX / 1000000000u ? UINT64_MAX / 2
	                                        : bytes * 1000000000u / rate;
}

/* A slow one waits for its byte longer than a quantum. */
static uint64_t quantum(uint64_t rate)
{
	uint64_t one = time_of(1, rate) + 1;

	return one < QUANTUM_NS ? QUANTUM_NS : one;
}

static uint64_t queued(const struct shim_call *c)
{
	int n = 0;

	return !next.ioctl(c->fd, FIONREAD, (long)&n) && n > 0 ? (uint64_t)n
	                                                       : 0;
}

static uint64_t send_buffer(const struct shim_call *c)
{
	int size = 0;
	unsigned len = sizeof(size);

	return !next.getsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, &len) &&
	                       size > 0
	               ? (uint64_t)size
	               : 0;
}

/* All that is queued came this long ago: the line had as long for it. */
static uint64_t carried_since(const struct shim_call *c, uint64_t rate)
{
	uint64_t age = arrivals_age(c->fd);
	uint64_t all = time_of(queued(c), rate);

	return age < all ? age : all;
}

/* From when on the line has carried what has not been moved yet. */
static uint64_t since(struct shim_call *c, uint64_t due, uint64_t rate,
                      uint64_t now_ns)
{
	uint64_t busy = atomic_load(busy_until(c));
	uint64_t most = quantum(rate);
	uint64_t age;

	if (busy > due && busy - due > most)
		most = busy - due;
	if (due + most >= now_ns)
		return due;
	age = receives(c) ? carried_since(c, rate) : 0;
	if (age > most)
		most = age;
	return due + most < now_ns ? now_ns - most : due;
}

/*
 * What is saved up is what lies between the two words; when the time at which
 * the next byte may move is put forward, the other one goes along.
 */
static uint64_t put_forward(struct shim_call *c, uint64_t due, uint64_t from,
                            uint64_t now_ns)
{
	uint64_t busy = atomic_load(busy_until(c));

	/* What another thread has moved meanwhile stays paid. */
	if (!atomic_compare_exchange_strong(next_byte(c), &due, from))
		return due;
	if (busy > due && busy < now_ns)
		atomic_store(busy_until(c), now_ns);
	return from;
}

/* Exact, or line_more() would be a byte too early. */
static uint64_t bytes_in(uint64_t ns, uint64_t rate)
{
	uint64_t whole = ns / 1000000000u * rate;
	uint64_t rest = ns % 1000000000u;

	return whole + (rate > UINT64_MAX / 1000000000u
	                        ? rate / 1000u * rest / 1000000u
	                        : rate * rest / 1000000000u);
}

/* What is worth moving: all there is, or a quantum; not each byte for itself.
 */
static uint64_t worth(const struct shim_call *c, uint64_t want, uint64_t rate)
{
	uint64_t least = bytes_in(quantum(rate), rate);
	uint64_t there = receives(c) ? queued(c) : 0;

	if (there && there < want)
		want = there;
	return want < least ? want : least;
}

uint64_t line_bytes(struct shim_call *c, uint64_t want, uint64_t rate,
                    uint64_t now_ns)
{
	uint64_t due = atomic_load(next_byte(c));
	uint64_t from = since(c, due, rate, now_ns);
	uint64_t most;

	if (from != due)
		from = put_forward(c, due, from, now_ns);
	most = from >= now_ns ? 0 : bytes_in(now_ns - from, rate);
	return most < want && most < worth(c, want, rate) ? 0 : most;
}

uint64_t line_begins(struct shim_call *c, uint64_t rate)
{
	uint64_t now_ns = shim_now();
	uint64_t most = line_bytes(c, c->e.want, rate, now_ns);

	if (most && !receives(c) && atomic_load(busy_until(c)) > now_ns)
		atomic_store(busy_until(c), now_ns);
	return most;
}

void line_carried(struct shim_call *c, uint64_t rate)
{
	atomic_fetch_add(next_byte(c), time_of(cut_moved(c), rate));
}

void line_waits(struct shim_call *c, uint64_t rate)
{
	uint64_t bytes = receives(c) ? queued(c) : send_buffer(c);

	atomic_store(busy_until(c),
	             atomic_load(next_byte(c)) + time_of(bytes, rate));
}

uint64_t line_more(struct shim_call *c, uint64_t want, uint64_t rate)
{
	return atomic_load(next_byte(c)) + time_of(worth(c, want, rate), rate) +
	       1;
}
