/*
 * environ_fails.c - exec and spawn that fail, with an environment in which
 * something is missing; to compare with and without the library.
 *
 *   environ_fails errors DIRECTORY   what they say; DIRECTORY has `text`, an
 *                                    executable that is none, and `plain`, not
 *                                    executable
 *   environ_fails largest            how many bytes of arguments they take
 *   environ_fails small              system and popen on the smallest stack
 *   environ_fails lacks NAME         system, without this variable
 *   environ_fails long COMMAND       system, with COMMAND in ever longer ones
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		exit(2);
	if (status)
		printf("(status %#x)\n", (unsigned)status);
}

/* The call has failed, or it is a child that ends with 0. */
static void say(const char *what, long result)
{
	printf("%s: %ld, %s\n", what, result, strerrorname_np(errno));
	fflush(stdout);
	errno = 0;
}

/* In a child, which may succeed. */
#define TRY(call)                                                              \
	do {                                                                   \
		pid_t pid;                                                     \
                                                                               \
		fflush(stdout);                                                \
		pid = fork();                                                  \
		if (!pid) {                                                    \
			say(#call, call);                                      \
			_exit(0);                                              \
		}                                                              \
		wait_for(pid);                                                 \
	} while (0)

static char name[] = "true";
static const char *volatile no_path;

static int errors(const char *dir)
{
	static char large[200000];
	static char *nothing[] = {NULL};
	char *const argv[] = {name, NULL};
	char *const too_large[] = {name, large, NULL};
	pid_t child;

	memset(large, 'x', sizeof(large) - 1);
	if (chdir(dir))
		return 2;
	environ = nothing;
	errno = 0;
	TRY(execve("./none", argv, nothing));
	TRY(execve("./text/none", argv, nothing));
	TRY(execve("./text", argv, nothing));
	TRY(execve("./plain", argv, nothing));
	TRY(execve(".", argv, nothing));
	TRY(execve("/bin/true", too_large, nothing));
	TRY(execve(no_path, argv, nothing));
	TRY(execv("./none", argv));
	TRY(execv("/bin/true", too_large));
	TRY(execvp("none", argv));
	TRY(execvp("./plain", argv));
	TRY(execvp("./text", argv));
	TRY(execvp("", argv));
	TRY(execvpe("true", too_large, nothing));
	TRY(execvpe("./text", argv, nothing));
	TRY(execvpe("true", argv, nothing));
	TRY(execl("./none", "none", (char *)NULL));
	TRY(execlp("./text", "text", (char *)NULL));
	TRY(execle("./plain", "plain", (char *)NULL, nothing));
	TRY(fexecve(-1, argv, nothing));
	TRY(fexecve(0, argv, NULL));
	TRY(fexecve(1000, argv, nothing));
	TRY(execveat(1000, "none", argv, nothing, 0));
	TRY(execveat(AT_FDCWD, "./none", argv, nothing, 0));
	TRY(execveat(AT_FDCWD, "./text", argv, nothing, -1));
	TRY(syscall(SYS_execve, "./none", argv, nothing));
	TRY(posix_spawn(&child, "./none", NULL, NULL, argv, nothing));
	TRY(posix_spawn(&child, "./text", NULL, NULL, argv, nothing));
	TRY(posix_spawn(&child, "/bin/true", NULL, NULL, too_large, nothing));
	TRY(posix_spawnp(&child, "none", NULL, NULL, argv, nothing));
	TRY(posix_spawnp(&child, "true", NULL, NULL, argv, nothing));
	TRY(system(NULL));
	TRY(system("exit 3"));
	TRY(system("none; echo $?; exit 4"));
	TRY(system(""));
	TRY(system(";"));
	TRY(system("-x"));
	TRY(system("+e"));
	TRY(system(" -x"));
	TRY(pclose(popen("-x", "r")));
	TRY(popen("true", "x") == NULL);
	TRY(popen("true", no_path) == NULL);
	TRY(pclose(popen(no_path, "r")));
	TRY(popen(no_path, no_path) == NULL);
	return 0;
}

/* ---- the shell's --------------------------------------------------------- */

static void *on_small_stack(void *nothing)
{
	FILE *f;

	system("echo system; exit 3");
	f = popen("cat; echo popen", "w");
	exit(!f || pclose(f));
	return nothing;
}

/* In an environment whose copy is large, too. */
static int small(void)
{
	static char variable[] = "A=1", *many[900];
	pthread_attr_t attributes;
	pthread_t thread;

	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]) - 1; i++)
		many[i] = variable;
	environ = many;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN);
	if (pthread_create(&thread, &attributes, on_small_stack, NULL))
		return 2;
	pthread_join(thread, NULL);
	return 2;
}

/* COMMAND, and a comment that makes it as long as it is to be. */
static int longer(const char *command)
{
	static const size_t lengths[] = {200,    4000,   7900,   8100,  20000,
	                                 100000, 130000, 131071, 131072};
	static char *nothing[] = {NULL};
	static char text[200000];

	environ = nothing;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(text, 'x', lengths[i]);
		text[lengths[i]] = '\0';
		memcpy(text, command, strlen(command));
		memcpy(text + strlen(command), " #", 2);
		printf("%zu:\n", lengths[i]);
		fflush(stdout);
		printf("%d\n", system(text));
	}
	return 0;
}

/* ---- how much an exec takes ---------------------------------------------- */

static bool takes(size_t bytes, bool by_spawn)
{
	static char a[100000], b[100000];
	static char *nothing[] = {NULL};
	char *argv[] = {name, a, b, NULL};
	pid_t pid;
	int status;

	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	a[bytes / 2] = '\0';
	b[bytes - bytes / 2] = '\0';
	if (by_spawn) {
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, nothing))
			return false;
	} else {
		pid = vfork();
		if (!pid) {
			execve("/bin/true", argv, nothing);
			_exit(1);
		}
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

static int largest(void)
{
	const struct rlimit limit = {512 << 10, 512 << 10};

	setrlimit(RLIMIT_STACK, &limit);
	for (int by_spawn = 0; by_spawn < 2; by_spawn++) {
		size_t yes = 0, no = 190000;

		while (no - yes > 1) {
			size_t middle = (yes + no) / 2;

			if (takes(middle, by_spawn))
				yes = middle;
			else
				no = middle;
		}
		printf("%zu\n", yes);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "errors"))
		return errors(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "largest"))
		return largest();
	if (argc == 2 && !strcmp(argv[1], "small"))
		return small();
	if (argc == 3 && !strcmp(argv[1], "lacks"))
		return unsetenv(argv[2]) || system("echo it");
	if (argc == 3 && !strcmp(argv[1], "long"))
		return longer(argv[2]);
	return 2;
}
