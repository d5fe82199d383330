/*
 * stdio.c - stdio on a socket, as a program sees it: each case prints what it
 * observes.  tests/e2e/stdio.sh compares without and with the library, where
 * fdopen returns a stream of its own.
 *
 *   stdio [CASE…]
 *
 * Errors, ends, files, processes and threads are in stdio_ends.c.
 */
#include "stdio_probe.h"

/* --- opening ------------------------------------------------------------- */

static void one_mode(const char *mode)
{
	FILE *f;

	begin();
	errno = 0;
	f = fdopen(s.fd, mode);
	printf("%s: %s, errno %d", mode, f ? "opened" : "NULL", errno);
	if (f) {
		printf(", fileno %d %d peeked %d, append %d cloexec %d, r%d "
		       "w%d "
		       "lbf%d wide%d",
		       fileno(f) == s.fd, fileno_unlocked(f) == s.fd,
		       f->_fileno == s.fd, !!(fcntl(s.fd, F_GETFL) & O_APPEND),
		       fcntl(s.fd, F_GETFD), !!__freadable(f), !!__fwritable(f),
		       !!__flbf(f), fwide(f, 0));
		printf("\n");
		s.f = f;
		errno = 0;
		said("putc", putc('x', f));
		said("flush", fflush(f));
		clearerr(f);
		peer_says("y");
		said("getc", getc(f));
		printf("fclose %d", fclose(f));
	}
	printf("\n");
	close(s.peer);
}

static void modes(void)
{
	static const char *const all[] = {
		"r",   "w",  "a",  "r+",  "w+",  "a+",         "rb",  "rb+",
		"r+b", "re", "rm", "wmx", "amb", "rcxbe+",     "ab+", "rm+",
		"",    "x",  "+",  "br",  "rw",  "r,ccs=UTF-8"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		one_mode(all[i]);
}

static void bad(void)
{
	static const int fds[] = {-1, 1000, INT32_MAX};

	for (size_t i = 0; i < 3; i++) {
		errno = 0;
		printf("fdopen(%d) %d", fds[i], !!fdopen(fds[i], "r"));
		printf(" errno %d\n", errno);
	}
	begin();
	close(s.fd);
	errno = 0;
	printf("closed %d", !!fdopen(s.fd, "r"));
	printf(" errno %d\n", errno);
}

/* --- input --------------------------------------------------------------- */

static void input(void)
{
	char buf[100] = "", *line = NULL;
	size_t cap = 0;
	int a = 0, n;

	open_as("r+");
	peer_says("one\ntwo two\n 12 x\nrest of it\n\xff"
	          "zero");
	printf("fgets %s", fgets(buf, sizeof(buf), s.f));
	n = (int)getline(&line, &cap, s.f);
	printf("getline %d %s", n, line);
	n = fscanf(s.f, "%d", &a);
	printf("fscanf %d %d\n", n, a);
	printf("ungetc %d", ungetc('#', s.f));
	printf(" %d %d", getc(s.f), fgetc(s.f));
	printf(" %d\n", getc_unlocked(s.f));
	n = (int)fread(buf, 1, 5, s.f);
	printf("fread %d %.5s\n", n, buf);
	printf("fgets %s", fgets(buf, 4, s.f));
	printf("|%s", fgets(buf, sizeof(buf), s.f));
	printf("high %d\n", getc(s.f));
	peer_ends();
	n = (int)fread(buf, 3, 3, s.f);
	printf("fread %d eof %d error %d\n", n, feof(s.f), ferror(s.f));
	printf("again %d %d", getc(s.f), (int)fread(buf, 1, 9, s.f));
	clearerr(s.f);
	printf(" cleared %d, then %d eof %d\n", feof(s.f), getc(s.f),
	       feof(s.f));
	printf("pushed back %d %d", ungetc('q', s.f), feof(s.f));
	printf(" %d\n", getc(s.f));
	free(line);
	printf("fclose %d\n", fclose(s.f));
}

static uint32_t sum_of(uint32_t sum, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ p[i]) * 16777619u;
	return sum;
}

static unsigned char bulk[BULK];

static void *pour(void *unused)
{
	size_t at = 0;
	ssize_t n;

	(void)unused;
	while (at < BULK && (n = write(s.peer, bulk + at, BULK - at)) > 0)
		at += (size_t)n;
	shutdown(s.peer, SHUT_WR);
	return NULL;
}

static void *drain(void *ret)
{
	unsigned char buf[5000];
	uint32_t sum = 1;
	ssize_t n;
	size_t all = 0;

	while ((n = read(s.peer, buf, sizeof(buf))) > 0) {
		sum = sum_of(sum, buf, (size_t)n);
		all += (size_t)n;
	}
	if (n < 0)
		all = 0;
	*(uint64_t *)ret = (uint64_t)sum << 32 | all;
	return NULL;
}

static void fill_bulk(void)
{
	for (size_t i = 0; i < BULK; i++)
		bulk[i] = (unsigned char)(i * i >> 7 ^ i);
}

static void huge(void)
{
	static const size_t sizes[] = {1,    7,    100,    4095,
	                               4096, 4097, 100000, BULK};
	static unsigned char got[BULK];
	pthread_t t;

	fill_bulk();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t at = 0, n, most = sizes[i] < 100 ? 20000 : BULK;
		uint64_t seen = 0;

		open_as("r");
		pthread_create(&t, NULL, pour, NULL);
		while (at < most &&
		       (n = fread(got + at, 1,
		                  sizes[i] < most - at ? sizes[i] : most - at,
		                  s.f)) > 0)
			at += n;
		printf("fread of %zu: %zu sum %x", sizes[i], at,
		       sum_of(1, got, at));
		fclose(s.f);
		pthread_join(t, NULL);
		close(s.peer);

		open_as("w");
		pthread_create(&t, NULL, drain, &seen);
		at = 0;
		while (at < most &&
		       (n = fwrite(bulk + at, 1,
		                   sizes[i] < most - at ? sizes[i] : most - at,
		                   s.f)) > 0)
			at += n;
		printf(", fwrite %zu fclose %d", at, fclose(s.f));
		pthread_join(t, NULL);
		printf(" peer %llx\n", (unsigned long long)seen);
		close(s.peer);
	}
}

/* --- buffers ------------------------------------------------------------- */

/* How many characters until the peer has some, and how many it has then. */
static void flushes_at(const char *what, char c)
{
	int n = 0, arrived = 0;

	while (n < 30000 && !arrived) {
		if (putc(c, s.f) == EOF)
			break;
		n++;
		wait_arrived(s.fd);
		arrived = queued(s.peer);
	}
	wait_queued(s.peer, arrived);
	printf("%s: flushed at %d, %d arrived, %zu pending, buffer %zu, lbf "
	       "%d\n",
	       what, n, arrived, __fpending(s.f), __fbufsize(s.f),
	       !!__flbf(s.f));
	fclose(s.f);
	close(s.peer);
}

static void buffers(void)
{
	static const struct {
		const char *name;
		int kind;
		size_t size;
		bool own, late;
	} how[] = {{"full, own", _IOFBF, 100, true, false},
	           {"full, none", _IOFBF, 100, false, false},
	           {"line, own", _IOLBF, 64, true, false},
	           {"line, none", _IOLBF, 64, false, false},
	           {"none", _IONBF, 0, false, false},
	           {"none late", _IONBF, 0, false, true},
	           {"full late", _IOFBF, 100, true, true}};
	static char own[7][128];

	open_as("w");
	flushes_at("default", 'x');
	open_as("w");
	flushes_at("default, lines", '\n');
	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++)
		for (const char *c = "x\n"; *c; c++) {
			open_as("r+");
			if (how[i].late)
				fputs("before", s.f);
			printf("%d ", setvbuf(s.f, how[i].own ? own[i] : NULL,
			                      how[i].kind, how[i].size));
			if (how[i].late) {
				wait_queued(s.peer, 6);
				printf("%d left ", queued(s.peer));
				read(s.peer, (char[8]){0}, 8);
			}
			flushes_at(how[i].name, *c);
		}
	open_as("r");
	peer_says("abcdefgh");
	setvbuf(s.f, NULL, _IONBF, 0);
	printf("unbuffered: %c", getc(s.f));
	printf(" %d left\n", queued(s.fd));
	open_as("r+");
	fputs("gone", s.f);
	__fpurge(s.f);
	printf("purged %zu, writing %d reading %d\n", __fpending(s.f),
	       __fwriting(s.f) != 0, __freading(s.f) != 0);
	fprintf(s.f, "%05d|%s", 42, "text");
	printf("flush all %d", fflush(NULL));
	wait_queued(s.peer, 10);
	printf(" %d arrived\n", queued(s.peer));
}

static void seeks(void)
{
	fpos_t pos;

	open_as("r+");
	peer_says("ab");
	getc(s.f);
	errno = 0;
	said("ftell", ftell(s.f));
	said("set", fseek(s.f, 0, SEEK_SET));
	said("end", fseeko(s.f, 0, SEEK_END));
	said("getpos", fgetpos(s.f, &pos));
	rewind(s.f);
	said("rewind", 0);
	said("next", getc(s.f));
	said("flush", fflush(s.f));
}

/* --- switching ------------------------------------------------------------ */

static void switches(void)
{
	static const char *const how[] = {"r+", "a+", "w+", "rm+"};
	char buf[20];

	for (size_t i = 0; i < 4; i++) {
		open_as(how[i]);
		peer_says("line\n");
		printf("%s: %s", how[i], fgets(buf, sizeof(buf), s.f));
		errno = 0;
		said("puts", fputs("reply\n", s.f));
		said("flush", fflush(s.f));
		wait_arrived(s.fd);
		printf("arrived %d\n", queued(s.peer));
		clearerr(s.f);
		peer_says("two\nthree\n");
		printf("%s", fgets(buf, sizeof(buf), s.f));
		errno = 0;
		said("puts", fputs("reply\n", s.f));
		said("flush", fflush(s.f));
		wait_arrived(s.fd);
		printf("arrived %d\n", queued(s.peer));
		clearerr(s.f);
		fputs("unflushed", s.f);
		peer_says("four\n");
		printf("then %s", fgets(buf, sizeof(buf), s.f));
		printf("fclose %d\n", fclose(s.f));
		close(s.peer);
	}
}

/* --- the table --------------------------------------------------------------
 */

static const struct probe_case cases[] = {
	{"modes", modes},       {"bad", bad},         {"input", input},
	{"huge", huge},         {"buffers", buffers}, {"seeks", seeks},
	{"switches", switches},
};

int main(int argc, char **argv)
{
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	return 0;
}
