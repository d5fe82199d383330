/*
 * reach.c - finds the file that execvp would run and what would keep the
 * library out of it.  execve(2), ld.so(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runner/elf_file.h"
#include "runner/machine.h"
#include "runner/reach.h"

/* The kernel reads so much of a script's first line (BINPRM_BUF_SIZE). */
enum {
	LINE_SIZE = 256,
	MAX_SCRIPTS = 4
};

_Static_assert(sizeof(((struct reach_report *)0)->path) ==
                       sizeof(((struct reach_report *)0)->interpreter),
               "one buffer size for all paths");
_Static_assert(sizeof(((struct reach_report *)0)->asan) ==
                       sizeof(((struct elf_facts *)0)->asan),
               "one buffer size for the sanitizer's name");
enum {
	PATH_SIZE = sizeof(((struct reach_report *)0)->path)
};

/* dir/name, or name when it is absolute or dir is NULL.  False: too long. */
static bool join(char *buf, const char *dir, const char *name)
{
	int n;

	if (!dir || *name == '/')
		n = snprintf(buf, PATH_SIZE, "%s", name);
	else
		n = snprintf(buf, PATH_SIZE, "%s/%s", dir, name);
	return n >= 0 && n < PATH_SIZE;
}

static enum reach file_state(const char *path)
{
	struct statvfs fs;
	struct stat st;

	if (stat(path, &st))
		return errno == EACCES ? REACH_NOT_EXECUTABLE : REACH_NOT_FOUND;
	if (S_ISREG(st.st_mode) && !faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return REACH_OK;
	if (S_ISREG(st.st_mode) && st.st_mode & 0111 && !statvfs(path, &fs) &&
	    fs.f_flag & ST_NOEXEC)
		return REACH_NOEXEC;
	return REACH_NOT_EXECUTABLE;
}

/* folder/name seen from dir; a folder of length 0 is the current one. */
static enum reach try_folder(const char *folder, size_t len, const char *name,
                             const char *dir, char *ret)
{
	char file[PATH_SIZE];
	int n = snprintf(file, sizeof(file), "%.*s/%s", len ? (int)len : 1,
	                 len ? folder : ".", name);

	if (n < 0 || n >= PATH_SIZE || !join(ret, dir, file))
		return REACH_NOT_FOUND;
	return file_state(ret);
}

/* execvp(3): a file that may not be executed does not end the search. */
static enum reach search_path(const char *name, const char *dir, char *ret)
{
	const char *path = getenv("PATH");
	enum reach result = REACH_NOT_FOUND;
	char found[PATH_SIZE];
	size_t len;

	if (!path)
		path = "/bin:/usr/bin";
	for (;; path += len + 1) {
		enum reach state;

		len = strcspn(path, ":");
		state = len < PATH_SIZE
		                ? try_folder(path, len, name, dir, found)
		                : REACH_NOT_FOUND;
		if (state == REACH_OK ||
		    (state != REACH_NOT_FOUND && result == REACH_NOT_FOUND)) {
			strcpy(ret, found);
			result = state;
		}
		if (result == REACH_OK || !path[len])
			return result;
	}
}

static enum reach find_program(const char *name, const char *dir, char *ret)
{
	if (!*name || !join(ret, NULL, name))
		return REACH_NOT_FOUND;
	if (!strchr(name, '/')) {
		enum reach found = search_path(name, dir, ret);

		if (found == REACH_NOT_FOUND && join(ret, dir, name) &&
		    file_state(ret) != REACH_NOT_FOUND)
			found = REACH_NOT_IN_PATH;
		return found;
	}
	if (!join(ret, dir, name))
		return REACH_NOT_FOUND;
	return file_state(ret);
}

/*
 * Will ld.so ignore LD_PRELOAD for this file (AT_SECURE)?  Only if executing
 * it changes the user, the group or, for others than root, capabilities; and
 * nothing does on a nosuid mount or under no_new_privs.
 */
static bool takes_privilege(int fd, const struct stat *st)
{
	struct statvfs fs;
	char capability[64];

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (!fstatvfs(fd, &fs) && fs.f_flag & ST_NOSUID)
		return false;
	if (st->st_mode & S_ISUID && st->st_uid != getuid())
		return true;
	if (st->st_mode & S_ISGID && st->st_mode & S_IXGRP &&
	    st->st_gid != getgid())
		return true;
	return getuid() && fgetxattr(fd, "security.capability", capability,
	                             sizeof(capability)) > 0;
}

/* True also when nobody knows: the other one was looked at. */
static bool our_machine(const struct elf_facts *theirs)
{
	struct elf_facts ours = {0};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true;
	if (elf_read_facts(fd, &ours) < 0)
		ours.program = false;
	close(fd);
	return !ours.program || (ours.word_class == theirs->word_class &&
	                         ours.byte_order == theirs->byte_order &&
	                         ours.machine == theirs->machine);
}

static enum reach judge_elf(int fd, struct reach_report *ret)
{
	struct elf_facts elf;
	const char *loader;

	if (elf_read_facts(fd, &elf) < 0)
		return REACH_UNKNOWN;
	if (!elf.program)
		return REACH_NOT_ELF;
	strcpy(ret->asan, elf.asan);
	if (!our_machine(&elf))
		return REACH_MACHINE;
	if (elf.go)
		return REACH_GO;
	if (!*elf.loader && !elf.is_loader)
		return REACH_STATIC;
	loader = strrchr(elf.loader, '/');
	loader = loader ? loader + 1 : elf.loader;
	if (!strncmp(loader, "ld-musl", 7))
		return REACH_MUSL;
	return *loader && access(elf.loader, F_OK) ? REACH_NO_LOADER : REACH_OK;
}

/*
 * A word of an `env -S` string, which ends at a blank outside quotes; moved to
 * the front of the text.  env(1); escapes are kept as the character itself.
 */
static char *next_word(char **text)
{
	static const char blanks[] = " \t\r\v\f";
	char *word = *text + strspn(*text, blanks);
	char *in = word, *out = word;
	char quote = 0;

	for (; *in && (quote || !strchr(blanks, *in)); in++) {
		if (*in == '\\' && in[1])
			*out++ = *++in;
		else if (*in == quote)
			quote = 0;
		else if (!quote && (*in == '\'' || *in == '"'))
			quote = *in;
		else
			*out++ = *in;
	}
	*text = *in ? in + 1 : in;
	*out = '\0';
	return word;
}

/* The program that `#!/usr/bin/env ARGUMENT` would run, NULL if none. */
static char *env_program(char *argument)
{
	char *word;

	if (!strncmp(argument, "-S", 2))
		argument += 2;
	else if (!strncmp(argument, "--split-string=", 15))
		argument += 15;
	else if (*argument == '-' || strchr(argument, '='))
		return NULL; /* then it is an option or a variable, alone */
	else
		return argument;
	while (*(word = next_word(&argument))) {
		if (!strcmp(word, "-u") || !strcmp(word, "-C"))
			next_word(&argument);
		else if (*word != '-' && !strchr(word, '='))
			return word;
	}
	return NULL;
}

/*
 * Splits "#! /path argument" in line, as the kernel does: one argument, with
 * its blanks inside.  ret_next: the program that runs in the end.
 */
static enum reach read_script(char *line, const char *dir, char *ret_next)
{
	static const char blanks[] = " \t";
	char *path = line + 2 + strspn(line + 2, blanks);
	char *argument, *end, *program;
	const char *base;
	enum reach state;

	path[strcspn(path, "\n")] = '\0';
	end = path + strlen(path);
	while (end > path && strchr(blanks, end[-1]))
		*--end = '\0';
	argument = path + strcspn(path, blanks);
	if (*argument)
		*argument++ = '\0';
	argument += strspn(argument, blanks);
	if (!*path)
		return REACH_NOT_ELF;
	if (!join(ret_next, dir, path))
		return REACH_NOT_FOUND;
	state = file_state(ret_next);
	base = strrchr(path, '/');
	if (state != REACH_OK || strcmp(base ? base + 1 : path, "env") != 0)
		return state;
	program = env_program(argument);
	return program ? find_program(program, dir, ret_next) : state;
}

/* The script itself is there, or its first line would not have been read. */
static enum reach of_script(enum reach state, const char *named)
{
	const size_t len = strlen(named);

	if (!reach_is_missing(state))
		return state;
	return len && named[len - 1] == '\r' ? REACH_DOS_LINE
	                                     : REACH_NO_INTERPRETER;
}

/* One file: ELF, or a script, whose next file is then in ret_next. */
static enum reach judge_file(const char *path, const char *dir,
                             struct reach_report *ret, char *ret_next)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char line[LINE_SIZE + 1];
	struct stat st;
	ssize_t n;
	enum reach result;

	*ret_next = '\0';
	if (fd < 0 && machine_is_short(-errno))
		return REACH_UNKNOWN;
	/* It may be executable without being readable: then time will tell. */
	if (fd < 0)
		return errno == EACCES ? REACH_OK : REACH_NOT_FOUND;
	n = pread(fd, line, LINE_SIZE, 0);
	line[n > 0 ? n : 0] = '\0';
	if (fstat(fd, &st))
		result = REACH_NOT_FOUND;
	else if (!strncmp(line, "#!", 2)) /* its setuid bit has no effect */
		result = of_script(read_script(line, dir, ret_next), ret_next);
	else if ((result = judge_elf(fd, ret)) == REACH_OK &&
	         takes_privilege(fd, &st))
		result = REACH_SETUID;
	close(fd);
	return result;
}

enum reach reach_program(const char *program, const char *dir,
                         struct reach_report *ret)
{
	char path[PATH_SIZE], next[PATH_SIZE] = "";

	memset(ret, 0, sizeof(*ret));
	ret->reach = find_program(program, dir, ret->path);
	strcpy(path, ret->path);
	for (int i = 0; ret->reach == REACH_OK; i++) {
		ret->reach = judge_file(path, dir, ret, next);
		if (!*next)
			break;
		if (i == MAX_SCRIPTS) {
			ret->reach = REACH_NOT_ELF; /* ELOOP */
			break;
		}
		strcpy(ret->interpreter, next);
		if (ret->reach == REACH_DOS_LINE)
			ret->interpreter[strlen(next) - 1] = '\0';
		strcpy(path, next);
	}
	return ret->reach;
}

enum reach reach_image(int fd)
{
	struct reach_report *r = calloc(1, sizeof(*r));
	enum reach reach = r ? judge_elf(fd, r) : REACH_OK;

	free(r);
	/* It runs: whatever it needs is there, perhaps in a root of its own. */
	return reach == REACH_NO_LOADER ? REACH_OK : reach;
}

bool reach_is_missing(enum reach r)
{
	return r == REACH_NOT_FOUND || r == REACH_NOT_IN_PATH ||
	       r == REACH_NO_INTERPRETER || r == REACH_DOS_LINE;
}

const char *reach_reason(enum reach r)
{
	static const char *const reasons[N_REACHES] = {
		[REACH_OK] = "can be reached",
		[REACH_NOT_FOUND] =
			"no such program: it is neither a file nor "
			"found in PATH; check the spelling, and the "
			"folder it is started in",
		[REACH_NOT_IN_PATH] =
			"not found in PATH; the file of that name here is "
			"meant by ./ before the name",
		[REACH_NO_INTERPRETER] =
			"the script is there, but not the interpreter that its "
			"first line names; correct that line, or install it "
			"(a relative path is seen from where the script is "
			"started)",
		[REACH_DOS_LINE] =
			"the script is there, but its first line ends in a "
			"carriage return, which counts as a part of the "
			"interpreter's name; take it out of all lines: "
			"sed -i 's/\\r$//'",
		[REACH_NOT_EXECUTABLE] =
			"may not be executed: a folder, or a file without the "
			"permission; chmod +x it",
		[REACH_NOEXEC] =
			"is on a mount that forbids it (noexec); copy it "
			"elsewhere, or mount that with `exec`",
		[REACH_NOT_ELF] = "neither an ELF program nor a script with an "
				  "interpreter; begin it with #!, or run it as "
				  "an argument "
				  "of its interpreter",
		[REACH_STATIC] =
			"static: no dynamic loader runs, so no library can be "
			"preloaded; link it dynamically, or say `attach: "
			"false` "
			"and put the faults into its peer",
		[REACH_GO] = "a Go program calls the kernel directly, past any "
			     "library; say `attach: false` and put the faults "
			     "into its peer",
		[REACH_MUSL] =
			"its loader is musl's, the library needs glibc; build "
			"it "
			"for glibc, or say `attach: false` and put the faults "
			"into its peer",
		[REACH_SETUID] =
			"setuid, setgid or with file capabilities: ld.so "
			"ignores "
			"LD_PRELOAD; test a copy without them, or as their "
			"owner, or say `attach: false`",
		[REACH_MACHINE] =
			"built for another machine or word size than the "
			"library; build both alike, or say `attach: false` and "
			"put the faults into its peer",
		[REACH_NO_LOADER] =
			"the dynamic loader that it names is not on this "
			"machine (`readelf -l` shows it), so that it cannot "
			"start; install the libc that it was built for",
		[REACH_UNKNOWN] = "nobody knows: there was no memory or "
				  "descriptor to look at its file",
	};

	return r < N_REACHES ? reasons[r] : "unknown";
}
