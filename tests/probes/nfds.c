/*
 * nfds.c - select asked for more numbers than there are: what it looks at, what
 * it refuses, what it writes.  Says what it sees, which is the same whatever
 * the library does (tests/e2e/nfds.sh).
 *
 *   nfds start COMMAND…   runs it in a process with a small descriptor table
 *   nfds CASE
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum {
	BITS = 4096,
	GARBAGE = 0x55,
	MANY = 2000
};

/* A set, and what lies behind it; as it was before the call. */
static unsigned char set[BITS / 8], asked[BITS / 8];

static int readable; /* a pipe with a byte */
static int held;     /* an idle connection, which a rule may hold */

static void put(int fd)
{
	set[fd / 8] |= (unsigned char)(1 << fd % 8);
}

static bool is_in(int fd)
{
	return set[fd / 8] >> fd % 8 & 1;
}

/* An empty set of len bytes, and garbage behind it. */
static void clear(size_t len)
{
	memset(set, GARBAGE, sizeof(set));
	memset(set, 0, len);
}

static long by_select(int n)
{
	struct timeval t = {.tv_usec = 1000};

	return select(n, (fd_set *)set, NULL, NULL, &t);
}

static long by_pselect(int n)
{
	struct timespec t = {.tv_nsec = 1000000};

	return pselect(n, (fd_set *)set, NULL, NULL, &t, NULL);
}

static long by_number(int n)
{
	struct timespec t = {.tv_nsec = 1000000};

	return syscall(SYS_pselect6, n, set, NULL, NULL, &t, NULL);
}

/* The result, and what is in the set afterwards. */
static void say(const char *what, long n)
{
	int err = n < 0 ? errno : 0;
	int changed = 0;

	printf("%s: %ld", what, n);
	if (err)
		printf(" (%s)", strerror(err));
	for (size_t i = FD_SETSIZE / 8; i < sizeof(set); i++)
		changed += set[i] != asked[i];
	printf(", %d bytes changed behind it,", changed);
	for (int fd = 0; fd < FD_SETSIZE; fd++)
		if (is_in(fd))
			printf(" %d", fd);
	printf("\n");
}

static void ask(const char *what, long (*wait)(int n), int n)
{
	memcpy(asked, set, sizeof(set));
	say(what, wait(n));
	memcpy(set, asked, sizeof(set));
}

/* Each with and without a socket that a rule may hold. */
static void ask_each(const char *what, int n)
{
	unsigned char before[sizeof(set)];

	printf("%s, up to %d\n", what, n);
	ask("  select", by_select, n);
	ask("  pselect", by_pselect, n);
	ask("  by number", by_number, n);
	memcpy(before, set, sizeof(set));
	put(held);
	ask("  select, with a socket", by_select, n);
	ask("  pselect, with a socket", by_pselect, n);
	memcpy(set, before, sizeof(set));
}

static int limit(void)
{
	return getdtablesize();
}

/* A number that only the kernel has seen. */
static void open_unseen(int fd)
{
	if (fcntl(readable, F_DUPFD, fd) != fd)
		die("F_DUPFD");
}

static int all_there_is(void)
{
	clear(FD_SETSIZE / 8);
	put(readable);
	ask_each("all that there can be", limit());
	ask_each("all that an int can be", INT_MAX);
	ask_each("none", 0);
	ask_each("less than none", -1);
	return 0;
}

static int never_open(void)
{
	clear(FD_SETSIZE / 8);
	put(300);
	ask_each("a number that was never open", 301);
	ask_each("... and all that there can be", limit());
	put(readable);
	ask_each("... and one that is readable", FD_SETSIZE);
	return 0;
}

static int closed(void)
{
	clear(FD_SETSIZE / 8);
	put(50);
	ask_each("a closed one", 51);
	ask_each("... and all that there can be", limit());
	return 0;
}

static int grown(void)
{
	if (dup2(readable, 299) != 299)
		die("dup2");
	close(299);
	clear(FD_SETSIZE / 8);
	put(280);
	ask_each("a closed one where the table has grown", 400);
	ask_each("... and all that there can be", limit());
	clear(FD_SETSIZE / 8);
	put(600);
	ask_each("one that was never open", limit());
	return 0;
}

static int high(void)
{
	open_unseen(255);
	clear(FD_SETSIZE / 8);
	put(255);
	ask_each("one that is open", 256);
	ask_each("... and all that there can be", limit());
	clear(FD_SETSIZE / 8);
	put(200);
	ask_each("a closed one below it", limit());
	return 0;
}

static int seen_high(void)
{
	if (dup2(readable, 255) != 255 || dup2(held, 600) != 600)
		die("dup2");
	clear(FD_SETSIZE / 8);
	put(700);
	ask_each("a closed one near an open one", FD_SETSIZE);
	put(600);
	put(255);
	ask_each("... and others", FD_SETSIZE);
	return 0;
}

static int by_sockets(void)
{
	int fd;

	do
		fd = socket(AF_INET, SOCK_STREAM, 0);
	while (fd >= 0 && fd < 90);
	while (fd > 50)
		close(fd--);
	clear(FD_SETSIZE / 8);
	put(85);
	ask_each("a closed one where sockets have been", limit());
	return 0;
}

/* The next ones that are free, past the library. */
static int one_by_one(void)
{
	for (int i = 0; i < 100; i++)
		if (fcntl(readable, F_DUPFD, 0) < 0)
			die("F_DUPFD");
	clear(FD_SETSIZE / 8);
	put(120);
	ask_each("a closed one in a table that has grown by itself", limit());
	put(90);
	ask_each("... and one that is open", limit());
	return 0;
}

static int thousands(void)
{
	if (limit() < BITS) {
		printf("skip: no more than %d descriptors\n", limit());
		return 0;
	}
	while (fcntl(readable, F_DUPFD, 0) < MANY)
		;
	clear(sizeof(set));
	put(MANY - 500);
	put(MANY);
	ask_each("two of thousands", MANY + 1);
	ask_each("... and all that the sets have room for", BITS);
	close(1024);
	ask_each("... and the first above an fd_set is closed", BITS);
	put(MANY + 1);
	ask_each("... and one that is closed", MANY + 2);
	return 0;
}

static int only_high(void)
{
	if (limit() < BITS) {
		printf("skip: no more than %d descriptors\n", limit());
		return 0;
	}
	open_unseen(3000);
	clear(sizeof(set));
	put(3000);
	ask_each("one of thousands", 3001);
	return 0;
}

/* A word of the set whose numbers are not all asked for. */
static int rest_of_word(void)
{
	clear(FD_SETSIZE / 8);
	put(readable);
	put(40);
	ask_each("behind the last that is asked for", 20);
	return 0;
}

/* Behind an fd_set there is no memory. */
static int at_the_edge(void)
{
	struct timeval t = {.tv_usec = 1000};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd_set *in = (fd_set *)(pages + page) - 1;

	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE))
		die("mmap");
	FD_SET(readable, in);
	FD_SET(held, in);
	printf("%d\n", select(limit(), in, NULL, NULL, &t));
	open_unseen(800);
	FD_SET(800, in);
	printf("%d\n", select(limit(), in, NULL, NULL, &t));
	return 0;
}

static int after_close_range(void)
{
	int copy;

	open_unseen(500);
	copy = dup2(held, 400);
	close_range(100, ~0u, 0);
	clear(FD_SETSIZE / 8);
	put(copy);
	ask_each("closed by close_range", limit());
	return 0;
}

/* A case in a child: how it ended. */
static int in_child(int (*run)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		status = run();
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return status;
}

static int stale_and_far(void)
{
	clear(FD_SETSIZE / 8);
	put(280);
	ask_each("inherited", limit());
	clear(FD_SETSIZE / 8);
	put(600);
	ask_each("one that was never open", limit());
	return 0;
}

static int grandchild(void)
{
	close(299);
	return stale_and_far() || in_child(stale_and_far);
}

/* A child's table fits what was open. */
static int forked(void)
{
	int status = in_child(never_open);

	if (dup2(readable, 299) != 299)
		die("dup2");
	status |= in_child(stale_and_far);
	if (dup2(held, 299) != 299)
		die("dup2");
	status |= in_child(grandchild);
	close(299);
	return status | in_child(stale_and_far) | in_child(grown) |
	       in_child(high) | in_child(thousands);
}

/* ... and that of another image is the same. */
static int executed(void)
{
	if (dup2(readable, 299) != 299)
		die("dup2");
	execl("/proc/self/exe", "nfds", "inherited", NULL);
	return 2;
}

static const struct probe_case cases[] = {
	{"all-there-is", all_there_is},
	{"never-open", never_open},
	{"closed", closed},
	{"grown", grown},
	{"by-sockets", by_sockets},
	{"high", high},
	{"seen-high", seen_high},
	{"one-by-one", one_by_one},
	{"thousands", thousands},
	{"only-high", only_high},
	{"rest-of-word", rest_of_word},
	{"at-the-edge", at_the_edge},
	{"close-range", after_close_range},
	{"fork", forked},
	{"exec", executed},
	{"inherited", stale_and_far},
};

/* The table of a child fits what is open: 0, 1 and 2. */
static int start(char **command)
{
	int status;
	pid_t pid;

	close_range(3, ~0u, 0);
	pid = fork();
	if (!pid) {
		execvp(*command, command);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	int ends[2];

	if (argc > 2 && !strcmp(argv[1], "start"))
		return start(argv + 2);
	if (pipe(ends) || write(ends[1], "x", 1) != 1)
		die("pipe");
	readable = ends[0];
	held = make_pair().accepted;
	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
