/*
 * view.c - see world.h.  What the library believes is read out of its own
 * memory: `shim` and `fds_near` are local symbols of libfault.so.  What the
 * kernel has is asked past every library.
 */
#include <elf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "shim/shim.h"
#include "world.h"

struct world *world;
unsigned self;

static const struct shim *library;
static _Atomic uint64_t *words;

/* ---- where the library's variables are -------------------------------------
 */

static char *line_of_library(char *maps)
{
	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, "/libfault.so"))
			return line;
	return NULL;
}

static bool where(uintptr_t *base, char *path, size_t len)
{
	static char maps[65536];
	int fd = (int)raw(SYS_openat, AT_FDCWD, (long)"/proc/self/maps",
	                  O_RDONLY | O_CLOEXEC, 0, 0, 0);
	size_t got = 0;
	long n;
	char *line;

	while ((n = raw(SYS_read, fd, (long)(maps + got),
	                (long)(sizeof(maps) - 1 - got), 0, 0, 0)) > 0)
		got += (size_t)n;
	raw(SYS_close, fd, 0, 0, 0, 0, 0);
	maps[got] = '\0';
	line = line_of_library(maps);
	if (!line)
		return false;
	*base = strtoul(line, NULL, 16);
	snprintf(path, len, "%s", strchr(line, '/'));
	return true;
}

static void symbols_of(const char *file, uintptr_t base)
{
	const Elf64_Ehdr *head = (const void *)file;
	const Elf64_Shdr *sections = (const void *)(file + head->e_shoff);

	for (unsigned i = 0; i < head->e_shnum; i++) {
		const Elf64_Shdr *s = &sections[i];
		const Elf64_Sym *sym = (const void *)(file + s->sh_offset);
		const char *names;

		if (s->sh_type != SHT_SYMTAB)
			continue;
		names = file + sections[s->sh_link].sh_offset;
		for (size_t n = s->sh_size / sizeof(*sym); n--; sym++) {
			if (!strcmp(names + sym->st_name, "shim"))
				library = (void *)(base + sym->st_value);
			if (!strcmp(names + sym->st_name, "fds_near"))
				words = (void *)(base + sym->st_value);
		}
	}
}

bool view_begin(void)
{
	struct stat st;
	char path[512];
	uintptr_t base;
	void *file;
	int fd;

	if (!where(&base, path, sizeof(path)) || stat(path, &st))
		return false;
	fd = (int)raw(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0,
	              0, 0);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	raw(SYS_close, fd, 0, 0, 0, 0, 0);
	if (file == MAP_FAILED)
		return false;
	symbols_of(file, base);
	munmap(file, (size_t)st.st_size);
	return library && words && library->run;
}

struct fault_run *view_run(void)
{
	return library->run;
}

uint32_t view_entry(int fd)
{
	uint64_t word = words[fd];
	const struct fault_ref *r = &run_refs(library->run)[fds_index(word)];

	if (fds_kind(word) != FDS_TCP ||
	    (r->generation & 0xffff) != (word >> 16 & 0xffff))
		return 0;
	return fds_index(word);
}

struct fault_sock *view_sock(int fd)
{
	uint32_t entry = view_entry(fd);

	return entry ? &run_socks(library->run)[entry] : NULL;
}

/* ---- the kernel ------------------------------------------------------------
 */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	raw(SYS_getsockopt, fd, SOL_SOCKET, name, (long)&value, (long)&len, 0);
	return value;
}

uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	raw(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, (long)&cookie,
	    (long)&len, 0);
	return cookie;
}

enum kind kind_of(int fd)
{
	int domain;

	if (raw(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) < 0)
		return KIND_CLOSED;
	domain = option(fd, SO_DOMAIN);
	if (domain == AF_UNIX)
		return KIND_UNIX;
	if ((domain != AF_INET && domain != AF_INET6) ||
	    option(fd, SO_PROTOCOL) != IPPROTO_TCP)
		return KIND_OTHER;
	return option(fd, SO_ACCEPTCONN) == 1 ? KIND_LISTENER : KIND_TCP;
}

struct known *known_of(uint64_t cookie, bool make)
{
	struct known *k = world->known;

	for (; k < world->known + world->n_known; k++)
		if (k->cookie == cookie)
			return k;
	if (!make || world->n_known == N_KNOWN)
		return NULL;
	world->n_known++;
	*k = (struct known){.cookie = cookie};
	return k;
}

/* ---- what is said -----------------------------------------------------------
 */

void fail(const char *format, ...)
{
	char what[400];
	va_list list;

	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	if (!atomic_exchange(&world->failed, 1))
		snprintf(world->what, sizeof(world->what),
		         "step %u (%s), process %u: %s", world->at,
		         world->at < world->n_steps
		                 ? ops[world->steps[world->at].op].name
		                 : "end",
		         self, what);
}

/* ---- one descriptor
 * ---------------------------------------------------------- */

static bool same_name(const struct sockaddr_storage *a,
                      const struct plan_addr *p)
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;

	if (a->ss_family == AF_INET)
		return p->family == 4 && ntohs(in->sin_port) == p->port &&
		       !memcmp(&in->sin_addr, p->bytes, 4);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return p->family == 4 && ntohs(in6->sin6_port) == p->port &&
		       !memcmp(&in6->sin6_addr.s6_addr[12], p->bytes, 4);
	return p->family == 6 && ntohs(in6->sin6_port) == p->port &&
	       !memcmp(&in6->sin6_addr, p->bytes, 16);
}

/* Once it is reset the kernel names nobody, and a new bind is possible. */
static void check_names(int fd, const struct fault_sock *s, enum kind kind)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	bool connected =
		!raw(SYS_getpeername, fd, (long)&name, (long)&len, 0, 0, 0);

	if (s->connection && connected && kind == KIND_TCP &&
	    !same_name(&name, &s->peer))
		fail("descriptor %d has another peer, port %u, and not %u: "
		     "role %u, state %u",
		     fd, ntohs(((struct sockaddr_in *)&name)->sin_port),
		     s->peer.port, s->role, s->state);
	len = sizeof(name);
	if (((s->role == ROLE_ACCEPTED && connected) ||
	     kind == KIND_LISTENER) &&
	    !world->vague &&
	    !raw(SYS_getsockname, fd, (long)&name, (long)&len, 0, 0, 0) &&
	    ntohs(((struct sockaddr_in *)&name)->sin_port) != s->local_port)
		fail("descriptor %d is not at port %u", fd, s->local_port);
}

static void check_role(int fd, struct known *k, const struct fault_sock *s,
                       enum kind kind)
{
	if (kind == KIND_LISTENER && s->role != ROLE_LISTENER)
		fail("descriptor %d listens, and its role is %u", fd, s->role);
	/* connect to AF_UNSPEC, or once more after a reset. */
	if (!s->connection)
		k->connection = 0;
	if (!k->connection && s->connection) {
		for (uint32_t i = 0; i < world->n_known; i++)
			if (world->known[i].connection == s->connection &&
			    world->known[i].role == s->role)
				fail("two are connection %u of role %u",
				     s->connection, s->role);
		k->connection = s->connection;
		k->role = s->role;
	}
}

static void check_identity(int fd, enum kind kind)
{
	const struct fault_sock *s = view_sock(fd);
	struct known *k = known_of(cookie_of(fd), true);

	if (!k)
		return;
	if (k->vague)
		return;
	if (!s) {
		fail("descriptor %d is a TCP socket, and not known", fd);
		return;
	}
	for (uint32_t i = 0; i < world->n_known && !k->serial; i++)
		if (world->known[i].serial == s->serial)
			fail("descriptor %d has the entry of another", fd);
	if (!k->serial)
		k->serial = s->serial;
	if (k->serial != s->serial)
		fail("descriptor %d is socket %u, and was %u", fd, s->serial,
		     k->serial);
	check_role(fd, k, s, kind);
	check_names(fd, s, kind);
	if (k->connection && k->connection != s->connection)
		fail("descriptor %d is connection %u, and was %u", fd,
		     s->connection, k->connection);
}

static void check_fd(int fd)
{
	enum fds_kind believed = fds_kind(words[fd]);
	enum kind kind = kind_of(fd);
	bool cloexec;

	if (world->members[self].stale[fd])
		return;
	if (kind != KIND_TCP && kind != KIND_LISTENER) {
		if (believed == FDS_TCP && view_entry(fd))
			fail("descriptor %d is %s, and believed to be TCP", fd,
			     kind == KIND_CLOSED ? "closed" : "something else");
		if ((kind == KIND_UNIX) != (believed == FDS_UNIX))
			fail("descriptor %d: kind %u is believed to be %u", fd,
			     kind, believed);
		return;
	}
	check_identity(fd, kind);
	cloexec = raw(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) & FD_CLOEXEC;
	if (believed == FDS_TCP && cloexec != !!(words[fd] & FDS_CLOEXEC))
		fail("descriptor %d: close-on-exec is %d", fd, cloexec);
}

/* ---- all of them
 * -------------------------------------------------------------- */

static uint32_t references(uint32_t entry)
{
	uint32_t n = 0;

	for (unsigned m = 0; m < N_MEMBERS; m++)
		for (int fd = 0; fd < N_FDS && world->members[m].alive; fd++)
			n += world->members[m].entry[fd] == entry;
	for (uint32_t i = 0; i < world->n_queued; i++)
		for (uint32_t r = 0; r < world->queue[i].n; r++)
			n += world->queue[i].entry[r] == entry;
	return n;
}

/* How many more it may have. */
static uint32_t lost(uint32_t entry)
{
	for (uint32_t i = 0; i < world->n_lost; i++)
		if (world->lost[i].serial ==
		    run_socks(view_run())[entry].serial)
			return world->lost[i].n;
	return 0;
}

static bool is_vague(const struct fault_sock *s)
{
	for (uint32_t i = 0; i < world->n_known; i++)
		if (world->known[i].vague &&
		    (world->known[i].serial == s->serial ||
		     world->known[i].cookie == s->cookie))
			return true;
	return false;
}

static void check_references(void)
{
	struct fault_run *run = view_run();

	for (uint32_t i = 1; i <= run->used_socks && i < run->n_socks; i++) {
		uint32_t has = run_refs(run)[i].refs, n = references(i);

		if ((has < n || has > n + lost(i)) &&
		    !is_vague(&run_socks(run)[i]))
			fail("entry %u (socket %u) has %u references, not %u",
			     i, run_socks(run)[i].serial, has, n);
	}
	if (run->lost_socks)
		fail("%u sockets did not fit into the table", run->lost_socks);
}

static void check_ordinals(void)
{
	const struct fault_program_state *p = run_programs(view_run());

	if (!world->vague &&
	    p->ordinals[ROLE_ACCEPTED] != world->ordinals[ROLE_ACCEPTED])
		fail("%u connections accepted, not %u",
		     p->ordinals[ROLE_ACCEPTED],
		     world->ordinals[ROLE_ACCEPTED]);
	if (!world->vague &&
	    p->ordinals[ROLE_CLIENT] < world->ordinals[ROLE_CLIENT])
		fail("%u connections made, not %u", p->ordinals[ROLE_CLIENT],
		     world->ordinals[ROLE_CLIENT]);
}

void view_publish(void)
{
	for (int fd = 0; fd < N_FDS; fd++)
		world->members[self].entry[fd] = view_entry(fd);
}

void view_check(void)
{
	view_publish();
	for (int fd = 3; fd < N_FDS; fd++)
		check_fd(fd);
	check_references();
	check_ordinals();
}

void defined(int fd)
{
	if (fd >= 0 && fd < N_FDS)
		world->members[self].stale[fd] = false;
}

void lose(uint32_t serial)
{
	struct lost *l = world->lost;

	for (; l < world->lost + world->n_lost; l++)
		if (l->serial == serial)
			break;
	if (l == world->lost + world->n_lost) {
		if (world->n_lost == N_LOST)
			return;
		world->n_lost++;
		*l = (struct lost){.serial = serial};
	}
	l->n++;
}

int pick(enum kind kind, unsigned n)
{
	int found[N_FDS], n_found = 0;

	for (int fd = 3; fd < CHANNEL; fd++)
		if (!world->members[self].stale[fd] && kind_of(fd) == kind)
			found[n_found++] = fd;
	return n_found ? found[n % (unsigned)n_found] : -1;
}
