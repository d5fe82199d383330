/*
 * stdio_ends.c - as stdio.c: errors and interrupted calls, how a stream ends,
 * other streams on the same descriptor, processes, threads, wide characters.
 *
 *   stdio_ends [CASE…]
 */
#include <setjmp.h>
#include <sys/wait.h>

#include "stdio_probe.h"

static volatile int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void handle(int sig)
{
	struct sigaction a = {.sa_handler = on_signal};

	sigaction(sig, &a, NULL);
	handled = 0;
}

/* --- errors ----------------------------------------------------------------
 */

static void reset(void)
{
	char buf[10];

	handle(SIGPIPE);
	open_as("r+");
	peer_resets();
	errno = 0;
	said("fgets", !!fgets(buf, sizeof(buf), s.f));
	said("again", !!fgets(buf, sizeof(buf), s.f));
	clearerr(s.f);
	said("puts", fputs("text", s.f));
	said("flush", fflush(s.f));
	said("flush again", fflush(s.f));
	said("puts", fputs("more", s.f));
	printf("fclose %d", fclose(s.f));
	printf(" errno %d\n", errno);
	printf("SIGPIPE %d\n", handled);

	open_as("w");
	fputs("pending", s.f);
	peer_resets();
	errno = 0;
	printf("fclose %d", fclose(s.f));
	printf(" errno %d", errno);
	printf(" fd %d\n", fcntl(s.fd, F_GETFD));

	open_as("w");
	peer_resets();
	errno = 0;
	{
		static char big[10000];

		said("fwrite", (long)fwrite(big, 1, sizeof(big), s.f));
		said("fwrite", (long)fwrite(big, 1, sizeof(big), s.f));
	}
	printf("pending %zu, SIGPIPE %d", __fpending(s.f), handled);
	printf(", fclose %d\n", fclose(s.f));
	signal(SIGPIPE, SIG_IGN);

	open_as("r+");
	shutdown(s.fd, SHUT_WR);
	errno = 0;
	said("fprintf", fprintf(s.f, "%s", "x"));
	said("flush", fflush(s.f));
	peer_says("y");
	said("getc", getc(s.f));
}

static void again(void)
{
	static char big[1 << 20];
	char buf[20];
	size_t n;

	open_as("r+");
	fcntl(s.fd, F_SETFL, fcntl(s.fd, F_GETFL) | O_NONBLOCK);
	errno = 0;
	said("getc", getc(s.f));
	peer_says("half");
	said("fgets", !!fgets(buf, sizeof(buf), s.f));
	clearerr(s.f);
	peer_says(" line\n");
	said("fgets", !!fgets(buf, sizeof(buf), s.f));
	printf("got %s", buf);
	clearerr(s.f);
	for (int i = 0; i < 40; i++) {
		n = fwrite(big, 1, sizeof(big), s.f);
		if (n < sizeof(big))
			break;
	}
	printf("short %d errno %d error %d pending %zu\n", n < sizeof(big),
	       errno, ferror(s.f), __fpending(s.f));
	clearerr(s.f);
	errno = 0;
	said("puts", fputs("text", s.f));
	said("flush", fflush(s.f));
	printf("pending %zu\n", __fpending(s.f));
	errno = 0;
	printf("fclose %d", fclose(s.f));
	printf(" errno %d\n", errno);
}

static void ring_in(int ms)
{
	struct itimerval t = {.it_value.tv_usec = ms * 1000};

	setitimer(ITIMER_REAL, &t, NULL);
}

static void eintr(void)
{
	char buf[20];

	handle(SIGALRM);
	open_as("r");
	ring_in(20);
	errno = 0;
	said("getc", getc(s.f));
	peer_says("part");
	ring_in(20);
	said("fgets", !!fgets(buf, sizeof(buf), s.f));
	clearerr(s.f);
	peer_says("rest\n");
	said("fgets", !!fgets(buf, sizeof(buf), s.f));
	printf("got %s handled %d\n", buf, handled);
	signal(SIGALRM, SIG_DFL);
	alarm(mortal_limit_s);
}

/* --- ends ------------------------------------------------------------------
 */

static void closes(void)
{
	char buf[10];
	int copy;

	open_as("r+");
	fputs("last words", s.f);
	printf("fclose %d", fclose(s.f));
	printf(" fd %d", fcntl(s.fd, F_GETFD));
	printf(" peer has %zd", read(s.peer, (char[20]){0}, 20));
	printf(" then %zd\n", read(s.peer, buf, 1));

	open_as("w");
	fputs("x", s.f);
	close(s.fd);
	errno = 0;
	printf("closed before: %d", fclose(s.f));
	printf(" errno %d\n", errno);

	open_as("r+");
	fputs("y", s.f);
	errno = 0;
	printf("pclose %d", pclose(s.f));
	printf(" errno %d", errno);
	printf(" fd %d\n", fcntl(s.fd, F_GETFD));

	open_as("r+");
	copy = dup(fileno(s.f));
	fputs("z", s.f);
	fclose(s.f);
	printf("copy writes %zd", write(copy, "!", 1));
	wait_queued(s.peer, 2);
	printf(", %zd there\n", read(s.peer, buf, 10));
	close(copy);

	open_as("r");
	s.f = fdopen(dup(s.fd), "w");
	fputs("two streams", s.f);
	printf("second fclose %d", fclose(s.f));
	wait_queued(s.peer, 11);
	printf(" first's fd %d\n", fcntl(s.fd, F_GETFD));

	open_as("r+");
	fputs("all", s.f);
	printf("fcloseall %d", fcloseall());
	wait_queued(s.peer, 3);
	printf(" fd %d\n", fcntl(s.fd, F_GETFD));
}

/* A child that ends; what the peer has got by then. */
static void child_ends(const char *how)
{
	char buf[50];
	ssize_t n, all = 0;
	pid_t pid;

	open_as("w");
	fputs("before,", s.f);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(s.peer);
		fputs("inside", s.f);
		freopen("/dev/null", "w", stdout);
		if (*how == '_')
			_exit(0);
		exit(0);
	}
	waitpid(pid, NULL, 0);
	fclose(s.f);
	while ((n = read(s.peer, buf + all, sizeof(buf) - (size_t)all)) > 0)
		all += n;
	printf("%s: %.*s\n", how, (int)all, buf);
	close(s.peer);
}

static void exits(void)
{
	child_ends("exit");
	child_ends("_exit");
}

static void reopen(const char *path, const char *mode)
{
	struct stat st = {0};
	char buf[20] = "";
	FILE *f;
	ssize_t n;

	open_as("r+");
	fputs("flushed", s.f);
	errno = 0;
	f = freopen(path, mode, s.f);
	printf("freopen %s %s: %d errno %d", path ? path : "NULL", mode,
	       f == s.f, errno);
	errno = 0;
	printf(", stat %d socket %d", fstat(s.fd, &st), !!S_ISSOCK(st.st_mode));
	n = read(s.peer, buf, sizeof(buf));
	printf(", peer %zd %s", n, buf);
	printf(" then %zd", read(s.peer, buf, sizeof(buf)));
	if (f) {
		printf(", fileno %d", fileno(f) == s.fd);
		printf(" getwc %d", getwc(f) == WEOF);
		printf(" putwc %d", putwc(L'x', f) == WEOF);
		printf(" fclose %d", fclose(f));
	}
	printf("\n");
	close(s.peer);
}

static void reopens(void)
{
	reopen("/dev/null", "r+");
	reopen("/dev/null", "r");
	reopen("/nonexistent/x", "r");
	reopen(NULL, "r");
	reopen(NULL, "w");
}

/* --- wide characters ---------------------------------------------------------
 */

/* What is read, and written, of a wide stream. */
static void wide_in(const char *mode)
{
	wchar_t buf[20];

	open_as(mode);
	printf("%s: fwide %d", mode, fwide(s.f, 0));
	printf(" %d", fwide(s.f, 1) > 0);
	printf(" %d\n", fwide(s.f, -1) > 0);
	peer_says("abc\nde");
	printf("fgetwc %d", (int)fgetwc(s.f));
	printf(" ungetwc %d", (int)ungetwc(L'z', s.f));
	printf(" fgetws %ls", fgetws(buf, 20, s.f));
	printf("fputs %d\n", fputs("x", s.f) < 0);
	peer_ends();
	printf("%d", (int)fgetwc(s.f));
	printf(" %d", (int)fgetwc(s.f));
	printf(" %d eof %d\n", (int)fgetwc(s.f), feof(s.f));
	printf("fclose %d\n", fclose(s.f));
}

static void wide(void)
{
	char got[20] = "";

	wide_in("r+");
	wide_in("rm+"); /* libc looks whether it can be mapped */
	wide_in("rm");

	open_as("w");
	printf("fwprintf %d", fwprintf(s.f, L"%d %ls", 12, L"wide"));
	printf(" pending %zu", __fpending(s.f));
	printf(" fclose %d", fclose(s.f));
	printf(" got %zd", read(s.peer, got, 20));
	printf(" %s\n", got);
	open_as("r");
	peer_says("x");
	printf("bytes first %d", getc(s.f));
	printf(" fwide %d", fwide(s.f, 1) < 0);
	printf(" fgetwc %d\n", fgetwc(s.f) == WEOF);
	for (int i = 0; i < 300; i++) {
		open_as("w");
		fputwc(L'x', s.f);
		fclose(s.f);
		close(s.peer);
	}
}

/* --- threads
 * ------------------------------------------------------------------ */

static void *try_lock(void *ret)
{
	*(int *)ret = ftrylockfile(s.f);
	if (!*(int *)ret)
		funlockfile(s.f);
	return NULL;
}

static int others_find(void)
{
	pthread_t t;
	int busy = -1;

	pthread_create(&t, NULL, try_lock, &busy);
	pthread_join(t, NULL);
	return busy;
}

static void locks(void)
{
	open_as("r+");
	printf("free %d", others_find());
	flockfile(s.f);
	printf(" locked %d", others_find());
	putc_unlocked('a', s.f);
	fputs_unlocked("bc", s.f);
	fwrite_unlocked("de", 1, 2, s.f);
	printf(" %d", fflush_unlocked(s.f));
	funlockfile(s.f);
	wait_queued(s.peer, 5);
	printf(" free %d, %d arrived\n", others_find(), queued(s.peer));
	printf("locking %d", __fsetlocking(s.f, FSETLOCKING_QUERY));
	printf(" %d", __fsetlocking(s.f, FSETLOCKING_BYCALLER));
	printf(" %d\n", __fsetlocking(s.f, FSETLOCKING_QUERY));
}

static void *say_lines(void *number)
{
	for (int i = 0; i < 500; i++)
		fprintf(s.f, "line %d of %ld\n", i, (long)number);
	return NULL;
}

/* The lines of each in their order, and whole. */
static void *count_lines(void *ret)
{
	FILE *in = fdopen(s.peer, "r");
	char line[50];
	int next[4] = {0}, i;
	long number;

	while (fgets(line, sizeof(line), in) &&
	       sscanf(line, "line %d of %ld\n", &i, &number) == 2 &&
	       i == next[number & 3]++)
		++*(int *)ret;
	fclose(in);
	return NULL;
}

static void threads(void)
{
	pthread_t t[4], reader;
	int whole = 0;

	open_as("w");
	pthread_create(&reader, NULL, count_lines, &whole);
	for (long n = 0; n < 4; n++)
		pthread_create(&t[n], NULL, say_lines, (void *)n);
	for (int n = 0; n < 4; n++)
		pthread_join(t[n], NULL);
	printf("fclose %d", fclose(s.f));
	pthread_join(reader, NULL);
	printf(" %d lines\n", whole);
}

static void *read_for_ever(void *unused)
{
	char buf[10];

	(void)unused;
	fread(buf, 1, 10, s.f);
	return NULL;
}

static void cancel(void)
{
	pthread_t t;
	void *end;

	open_as("r");
	pthread_create(&t, NULL, read_for_ever, NULL);
	while (!ftrylockfile(s.f)) {
		funlockfile(s.f);
		usleep(100);
	}
	/* It comes to its read, which is a cancellation point. */
	pthread_cancel(t);
	pthread_join(t, &end);
	printf("canceled %d, lock %d", end == PTHREAD_CANCELED,
	       ftrylockfile(s.f));
	funlockfile(s.f);
	peer_says("k");
	printf(" next %d", getc(s.f));
	printf(" fclose %d\n", fclose(s.f));
}

static sigjmp_buf back;

static void on_jump(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void jump(void)
{
	struct sigaction a = {.sa_handler = on_jump};

	open_as("r");
	sigaction(SIGALRM, &a, NULL);
	if (!sigsetjmp(back, 1)) {
		ring_in(20);
		getc(s.f);
		printf("came back\n");
	}
	printf("others find %d", others_find());
	peer_says("m");
	printf(" next %d\n", getc(s.f));
	signal(SIGALRM, SIG_DFL);
	alarm(mortal_limit_s);
}

/* --- processes, and descriptors
 * ------------------------------------------------ */

static void children(void)
{
	char line[20] = "";
	FILE *p;

	open_as("r+");
	p = popen("echo child", "r");
	printf("popen %s", fgets(line, sizeof(line), p));
	printf("pclose %d\n", pclose(p));
	p = popen("exit 3", "w");
	printf("pclose %d\n", WEXITSTATUS(pclose(p)));
	peer_says("n");
	printf("next %d\n", getc(s.f));
}

/* A stream before connect. */
static void early(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	bind(listener, (void *)&at, len);
	s.fd = socket(AF_INET, SOCK_STREAM, 0);
	s.f = fdopen(s.fd, "r+");
	errno = 0;
	said("unconnected getc", getc(s.f));
	clearerr(s.f);
	listen(listener, 1);
	getsockname(listener, (void *)&at, &len);
	printf("connect %d\n", connect(s.fd, (void *)&at, len));
	s.peer = accept(listener, NULL, NULL);
	peer_says("hello\n");
	said("getc", getc(s.f));
	close(listener);
}

static void many(void)
{
	static FILE *all[300];
	int right = 0;

	for (int i = 0; i < 300; i++) {
		open_as("r+");
		all[i] = s.f;
		fprintf(s.f, "%d", s.peer);
	}
	for (int i = 299; i >= 0; i--)
		right += fileno(all[i]) >= 0 && fclose(all[i]) == 0;
	printf("%d\n", right);
}

static const struct probe_case cases[] = {
	{"reset", reset},   {"again", again}, {"eintr", eintr},
	{"closes", closes}, {"exits", exits}, {"reopens", reopens},
	{"wide", wide},     {"locks", locks}, {"threads", threads},
	{"cancel", cancel}, {"jump", jump},   {"children", children},
	{"early", early},   {"many", many},
};

int main(int argc, char **argv)
{
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	return 0;
}
