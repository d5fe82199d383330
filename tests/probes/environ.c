/*
 * environ.c - what the next image gets of the environment, by each function
 * that makes one, from each place that may.
 *
 *   environ check SYMBOL plain|reached all|some
 *                                        every place and every environment, or
 *                                        each environment in one of the places
 *   environ show                         the image: prints what it has got
 *
 * `reached` is with the library, which puts back what is missing: LD_PRELOAD
 * and the FAULT_ variables as they were when this program began.  The library
 * is there if it makes socket() fail with ENFILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HUGE_ENVIRONMENT = 400,  /* more than on the stack */
	VAST_ENVIRONMENT = 4000, /* more than in a child of vfork */
	MOST = VAST_ENVIRONMENT + 200
};

static char self[4096]; /* our own path */
static char **first;    /* copies of what we began with */
static bool reached;    /* the library is there */
static bool by_shell;   /* an environment that a shell has passed on */
static char *sh_of;     /* the image, as the shell is told */

/* One environment: what is given, and what is to be seen. */
struct environment {
	const char *name;
	char *given[MOST];
	size_t n;
	bool null;      /* given as NULL */
	bool overwrite; /* those we began with, in place */
	bool stays;     /* another run's: nothing is put back */
	bool vast;
};

/* ---- the image ----------------------------------------------------------- */

static int show(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool hit = fd < 0 && errno == ENFILE;

	for (char **v = environ; *v; v++)
		fwrite(*v, strlen(*v) + 1, 1, stdout);
	fputs(hit ? "attached" : "untouched", stdout);
	return 0;
}

/* ---- environments -------------------------------------------------------- */

static bool begins(const char *entry, const char *with)
{
	return !strncmp(entry, with, strlen(with));
}

static void add(struct environment *e, const char *entry)
{
	e->given[e->n++] = strdup(entry);
	e->given[e->n] = NULL;
}

static void add_first(struct environment *e, const char *without)
{
	for (char **v = first; *v; v++)
		if (!begins(*v, without))
			add(e, *v);
}

static void add_many(struct environment *e, unsigned n)
{
	char entry[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(entry, sizeof(entry), "V%u=%u", i, i);
		add(e, entry);
	}
}

static void full(struct environment *e)
{
	add_first(e, "?");
}

static void empty(struct environment *e)
{
	e->given[0] = NULL;
}

static void null(struct environment *e)
{
	e->null = true;
}

static void no_preload(struct environment *e)
{
	add_first(e, "LD_PRELOAD=");
}

static void no_fault(struct environment *e)
{
	add_first(e, "FAULT_");
}

/* Of several that are ours the last is gone. */
static void one_gone(struct environment *e)
{
	const char *last = "?";

	for (char **v = first; *v; v++)
		if (begins(*v, "FAULT_"))
			last = *v;
	add_first(e, last);
}

static void own(struct environment *e)
{
	add(e, "A=1");
	add(e, "LD_PRELOAD=libm.so.6");
	add(e, "B=2");
}

static void own_empty(struct environment *e)
{
	add(e, "LD_PRELOAD=");
	add(e, "B=2");
}

static void own_asan(struct environment *e)
{
	add(e, "LD_PRELOAD=/nowhere/libasan.so.99 libm.so.6");
}

/* ld.so takes the last. */
static void own_twice(struct environment *e)
{
	add_first(e, "?");
	add(e, "LD_PRELOAD=libm.so.6");
}

static void odd(struct environment *e)
{
	add(e, "A=1");
	add(e, "");
	add(e, "nothing");
	add(e, "=x");
	add(e, "A=2");
	add(e, "LD_PRELOAD");
	add(e, "FAULT_SHMX=1");
}

static void another_run(struct environment *e)
{
	add(e, "A=1");
	add(e, "FAULT_SHM=none");
	e->stays = true;
}

static void overwritten(struct environment *e)
{
	add_first(e, "?");
	for (size_t i = 0; i < e->n; i++)
		memset(e->given[i], 'x', strlen(e->given[i]));
	e->overwrite = true;
}

static void huge(struct environment *e)
{
	add_many(e, HUGE_ENVIRONMENT);
}

static void vast(struct environment *e)
{
	add_many(e, VAST_ENVIRONMENT);
	e->vast = true;
}

static const struct {
	const char *name;
	void (*make)(struct environment *);
	bool shell; /* a shell passes it on as it is */
} environments[] = {
	{"full", full, true},
	{"empty", empty, true},
	{"null", null, true},
	{"without LD_PRELOAD", no_preload, true},
	{"without FAULT_", no_fault, true},
	{"without one of them", one_gone, true},
	{"own LD_PRELOAD", own, true},
	{"empty LD_PRELOAD", own_empty, true},
	{"own libasan", own_asan, true},
	{"LD_PRELOAD twice", own_twice, false},
	{"odd", odd, false},
	{"another run's", another_run, true},
	{"overwritten", overwritten, false},
	{"huge", huge, true},
	{"vast", vast, false},
};

/* ---- what is to be seen -------------------------------------------------- */

static const char *first_value(const char *name)
{
	const char *value = NULL;

	for (char **v = first; *v; v++)
		if (begins(*v, name))
			value = *v + strlen(name);
	return value;
}

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return a[len] == '=' && !strncmp(a, b, len + 1);
}

static bool is_there(const struct environment *e, const char *entry)
{
	for (size_t i = 0; i < e->n; i++)
		if (same_name(e->given[i], entry))
			return true;
	return false;
}

/* The value of LD_PRELOAD that was given, with ours. */
static void merge(struct environment *e)
{
	const char *library = first_value("LD_PRELOAD=");
	char text[8192];

	for (size_t i = e->n; i-- > 0;) {
		const char *own = e->given[i] + strlen("LD_PRELOAD=");
		size_t asan;

		if (!begins(e->given[i], "LD_PRELOAD="))
			continue;
		asan = strstr(own, "libasan") ? strcspn(own, " ") + 1 : 0;
		if (strstr(own, library))
			return;
		snprintf(text, sizeof(text), "LD_PRELOAD=%.*s%s%s%s", (int)asan,
		         own, library, own[asan] ? ":" : "", own + asan);
		e->given[i] = strdup(text);
		return;
	}
}

/* What a process that is given this is to see, in place. */
static void expect(struct environment *e, bool put_back)
{
	if (!put_back)
		return;
	merge(e);
	for (char **v = first; *v; v++)
		if (begins(*v, "LD_PRELOAD=") && !is_there(e, *v))
			add(e, *v);
	for (char **v = first; *v; v++)
		if (begins(*v, "FAULT_") && !is_there(e, *v))
			add(e, *v);
}

/* A shell sorts, and adds variables of its own. */
static bool of_the_shell(const char *entry)
{
	static const char *const names[] = {"PWD=", "OLDPWD=", "SHLVL=", "_="};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (begins(entry, names[i]))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void as_the_shell(struct environment *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		if (!of_the_shell(e->given[i]))
			e->given[n++] = e->given[i];
	e->n = n;
	qsort(e->given, n, sizeof(e->given[0]), by_name);
}

/* ---- making an image ----------------------------------------------------- */

static char name[] = "environ", word[] = "show";
static char *const show_argv[] = {name, word, NULL};
static char **envp; /* for those that take one */

static void by_execve(void)
{
	execve(self, show_argv, envp);
}

static void by_execv(void)
{
	execv(self, show_argv);
}

static void by_execvp(void)
{
	execvp(self, show_argv);
}

static void by_execvpe(void)
{
	execvpe(self, show_argv, envp);
}

static void by_execl(void)
{
	execl(self, "environ", "show", (char *)NULL);
}

static void by_execlp(void)
{
	execlp(self, "environ", "show", "3", "4", "5", "6", "7", (char *)NULL);
}

static void by_execle(void)
{
	execle(self, "environ", "show", "3", "4", "5", "6", "7", (char *)NULL,
	       envp);
}

static void by_fexecve(void)
{
	/* fexecve takes no NULL. */
	static char *nothing[] = {NULL};

	fexecve(open(self, O_RDONLY | O_CLOEXEC), show_argv,
	        envp ? envp : nothing);
}

static void by_execveat(void)
{
	execveat(open(self, O_PATH | O_CLOEXEC), "", show_argv, envp,
	         AT_EMPTY_PATH);
}

static void by_syscall(void)
{
	syscall(SYS_execve, self, show_argv, envp);
}

static void by_syscall_at(void)
{
	syscall(SYS_execveat, AT_FDCWD, self, show_argv, envp, 0);
}

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		_exit(90);
}

static void by_posix_spawn(void)
{
	pid_t pid;

	if (posix_spawn(&pid, self, NULL, NULL, show_argv, envp))
		_exit(91);
	wait_for(pid);
}

static void by_posix_spawnp(void)
{
	pid_t pid;

	if (posix_spawnp(&pid, self, NULL, NULL, show_argv, envp))
		_exit(91);
	wait_for(pid);
}

static void by_system(void)
{
	if (system(sh_of))
		_exit(92);
}

static void by_popen(void)
{
	char buf[4096];
	FILE *f = popen(sh_of, "r");
	size_t n;

	if (!f)
		_exit(93);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, stdout);
	fflush(stdout);
	if (pclose(f))
		_exit(94);
}

static const struct symbol {
	const char *name;
	void (*make)(void);
	bool returns; /* it makes a child of its own */
	bool shell;
} symbols[] = {
	{"execve", by_execve, false, false},
	{"execv", by_execv, false, false},
	{"execvp", by_execvp, false, false},
	{"execvpe", by_execvpe, false, false},
	{"execl", by_execl, false, false},
	{"execlp", by_execlp, false, false},
	{"execle", by_execle, false, false},
	{"fexecve", by_fexecve, false, false},
	{"execveat", by_execveat, false, false},
	{"SYS_execve", by_syscall, false, false},
	{"SYS_execveat", by_syscall_at, false, false},
	{"posix_spawn", by_posix_spawn, true, false},
	{"posix_spawnp", by_posix_spawnp, true, false},
	{"system", by_system, true, true},
	{"popen", by_popen, true, true},
};

/* ---- places -------------------------------------------------------------- */

static const struct symbol *symbol;

static void make(void)
{
	symbol->make();
	if (!symbol->returns)
		_exit(95);
}

static void in_main(void)
{
	make();
}

static void in_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		make();
		_exit(0);
	}
	wait_for(pid);
}

static void in_vfork(void)
{
	pid_t pid = vfork();

	if (!pid) {
		symbol->make();
		_exit(95);
	}
	wait_for(pid);
}

static void *thread(void *unused)
{
	make();
	return unused;
}

/* With a stack as small as they are made. */
static void in_thread(void)
{
	pthread_attr_t attributes;
	pthread_t id;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32768);
	if (pthread_create(&id, &attributes, thread, NULL))
		_exit(96);
	pthread_join(id, NULL);
}

static void handler(int sig)
{
	(void)sig;
	make();
}

static void in_handler(void)
{
	static char stack[16384];
	const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction action = {.sa_handler = handler,
	                                 .sa_flags = SA_ONSTACK};

	sigaltstack(&alternative, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
}

static const struct place {
	const char *name;
	void (*run)(void);
	bool vfork;
	bool handler;
} places[] = {
	{"main", in_main, false, false},
	{"a child of fork", in_fork, false, false},
	{"a child of vfork", in_vfork, true, false},
	{"a thread", in_thread, false, false},
	{"a handler", in_handler, false, true},
};

/* ---- one case ------------------------------------------------------------ */

/* Everything that environ leads to, in one number. */
static unsigned long digest(void)
{
	unsigned long sum = (unsigned long)environ;

	for (char **v = environ; v && *v; v++) {
		sum = sum * 31 + (unsigned long)*v;
		for (const char *c = *v; *c; c++)
			sum = sum * 31 + (unsigned char)*c;
	}
	return sum;
}

static _Noreturn void run(const struct place *place, struct environment *e,
                          int out)
{
	unsigned long before;
	int null_fd = open("/dev/null", O_WRONLY);

	dup2(out, STDOUT_FILENO);
	dup2(null_fd, STDERR_FILENO);
	if (e->overwrite)
		for (char **v = environ; *v; v++)
			memset(*v, 'x', strlen(*v));
	else
		environ = e->null ? NULL : e->given;
	envp = environ;
	before = digest();
	place->run();
	_exit(digest() == before ? 0 : 97);
}

static size_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += (size_t)n;
	return len;
}

/* What show() has written: its variables, and the last word. */
static const char *parse(char *seen, size_t len, struct environment *ret)
{
	ret->n = 0;
	seen[len] = '\0';
	for (char *at = seen;;) {
		size_t n = strlen(at);

		if (at + n >= seen + len)
			return at;
		if (ret->n < MOST)
			ret->given[ret->n++] = at;
		at += n + 1;
	}
}

static bool same(const struct environment *a, const struct environment *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->given[i], b->given[i]) != 0)
			return false;
	return true;
}

static void print(const char *what, const struct environment *e)
{
	printf("  %s:\n", what);
	for (size_t i = 0; i < e->n && i < 60; i++)
		printf("    %s\n", e->given[i]);
}

static struct environment given, seen;

/* Is it as it is to be?  Prints what is not. */
static bool check_case(const struct place *place, size_t env)
{
	static char buf[1 << 20];
	const char *said;
	bool put_back, ok;
	int pipes[2], status;
	size_t len;
	pid_t pid;

	given = (struct environment){.name = environments[env].name};
	environments[env].make(&given);
	if (pipe(pipes))
		return false;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(pipes[0]);
		run(place, &given, pipes[1]);
	}
	close(pipes[1]);
	len = read_all(pipes[0], buf, sizeof(buf) - 1);
	close(pipes[0]);
	waitpid(pid, &status, 0);
	put_back = reached && !given.stays && !(given.vast && place->vfork);
	expect(&given, put_back);
	said = parse(buf, len, &seen);
	if (by_shell) {
		as_the_shell(&given);
		as_the_shell(&seen);
	}
	ok = !status && same(&given, &seen) &&
	     !strcmp(said, put_back ? "attached" : "untouched");
	if (ok)
		return true;
	printf("%s, %s, in %s: status %#x, %s\n", symbol->name, given.name,
	       place->name, (unsigned)status, said);
	print("wanted", &given);
	print("seen", &seen);
	return false;
}

static bool possible(const struct place *place, size_t env)
{
	/* Neither takes a child of vfork; system is for no handler. */
	if (symbol->returns && place->vfork)
		return false;
	if (symbol->shell && (place->handler || !environments[env].shell))
		return false;
	return true;
}

/* Of all symbols together these have each environment in each place. */
static bool among_some(size_t p, size_t e)
{
	const size_t at = (size_t)(symbol - symbols) + e;

	return at % (sizeof(places) / sizeof(places[0])) == p;
}

static const struct symbol *find(const char *function)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!strcmp(symbols[i].name, function))
			return &symbols[i];
	fprintf(stderr, "no such function: %s\n", function);
	exit(2);
}

static int check(const char *function, bool all)
{
	unsigned n = 0, bad = 0;

	symbol = find(function);
	by_shell = symbol->shell;
	for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++)
		for (size_t e = 0;
		     e < sizeof(environments) / sizeof(environments[0]); e++) {
			if (!possible(&places[p], e) ||
			    !(all || among_some(p, e)))
				continue;
			n++;
			bad += !check_case(&places[p], e);
		}
	printf("%u of %u\n", n - bad, n);
	return bad || !n;
}

/* -------------------------------------------------------------------------- */

static void remember(void)
{
	size_t n = 0;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	while (environ[n])
		n++;
	first = calloc(n + 1, sizeof(*first));
	if (!first || len < 0)
		exit(2);
	for (size_t i = 0; i < n; i++)
		first[i] = strdup(environ[i]);
	if (asprintf(&sh_of, "'%s' show", self) < 0)
		exit(2);
}

int main(int argc, char **argv)
{
	if (argc >= 2 && !strcmp(argv[1], "show"))
		return show();
	remember();
	if (argc == 5 && !strcmp(argv[1], "check")) {
		reached = !strcmp(argv[3], "reached");
		return check(argv[2], !strcmp(argv[4], "all"));
	}
	return 2;
}
