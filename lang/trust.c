/*
 * trust.c - see trust.h.
 *
 * The path is walked part by part, so that what was looked at is what is
 * opened: nothing can be exchanged between the look and the opening.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/trust.h"
#include "plan/env.h"

static const char hint_owner[] =
	"make a copy of your own; or, if you know its owner, "
	"set " FAULT_ENV_TRUST "=1";
static const char hint_mode[] = "chmod o-w";
static const char hint_link[] =
	"name the file itself; or, if you know whose link it is, "
	"set " FAULT_ENV_TRUST "=1";

static bool all_trusted(void)
{
	const char *value = secure_getenv(FAULT_ENV_TRUST);

	return value && !strcmp(value, "1");
}

/* Did the user with this id call sudo(8), as which we are root? */
static bool is_sudo_user(uid_t uid)
{
	const char *value = geteuid() == 0 ? secure_getenv("SUDO_UID") : NULL;
	char *end;
	unsigned long n;

	if (!value || !*value)
		return false;
	n = strtoul(value, &end, 10);
	return !*end && n == uid;
}

static bool refuse_file(const struct stat *st, char *why, const char **ret_hint)
{
	if (st->st_uid != 0 && st->st_uid != geteuid() &&
	    !is_sudo_user(st->st_uid)) {
		snprintf(why, TRUST_WHY_SIZE,
		         "it belongs to another user (%u, and this is user %u)",
		         (unsigned)st->st_uid, (unsigned)geteuid());
		*ret_hint = hint_owner;
		return true;
	}
	if (st->st_mode & S_IWOTH) {
		snprintf(why, TRUST_WHY_SIZE,
		         "everybody may write it (mode %04o)",
		         (unsigned)st->st_mode & 07777);
		*ret_hint = hint_mode;
		return true;
	}
	return false;
}

static void refuse_link(const char *path, const char *end, char *why,
                        const char **ret_hint)
{
	if (*end)
		snprintf(why, TRUST_WHY_SIZE, "%.*s is a symbolic link",
		         (int)(end - path), path);
	else
		snprintf(why, TRUST_WHY_SIZE, "it is a symbolic link");
	*ret_hint = hint_link;
}

/*
 * The part of a path in dir: a link is not followed, so that it can be told
 * from a file that is missing.  Closes dir; fills *ret_st.
 */
static int step(int dir, const char *part, const char *end, struct stat *ret_st)
{
	char name[256];
	size_t len = (size_t)(end - part);
	int fd = -1, err = ENAMETOOLONG;

	if (len < sizeof(name)) {
		memcpy(name, part, len);
		name[len] = '\0';
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		err = errno;
	}
	if (dir != AT_FDCWD)
		close(dir);
	if (fd >= 0 && fstat(fd, ret_st) < 0) {
		err = errno;
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -err : fd;
}

/*
 * Opens the file with O_PATH, which touches nothing, and without following a
 * link in any part of its path.  -EPERM: there is one, see trusted_open().
 */
static int walk(const char *path, struct stat *ret_st, char *why,
                const char **ret_hint)
{
	const char *part = path + strspn(path, "/"), *end;
	int fd = AT_FDCWD;

	if (*path == '/')
		fd = open("/", O_PATH | O_CLOEXEC);
	if (fd == -1 || (!*part && fstat(fd, ret_st) < 0))
		return -errno;
	for (; *part; part = end + strspn(end, "/")) {
		end = part + strcspn(part, "/");
		fd = step(fd, part, end, ret_st);
		if (fd < 0)
			return fd;
		if (!S_ISLNK(ret_st->st_mode))
			continue;
		refuse_link(path, end, why, ret_hint);
		close(fd);
		return -EPERM;
	}
	return fd;
}

/*
 * The file that was walked to, for reading.  By way of /proc, as no other name
 * is sure to mean the same file; where that is not mounted (a chroot), by the
 * name, if it is the same file.
 */
static int open_again(int fd, const char *path, const struct stat *st)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat now;
	char self[32];
	int again;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = open(self, flags);
	if (again < 0 && errno == ENOENT)
		again = open(path, flags);
	if (again < 0)
		return -errno;
	if (fstat(again, &now) == 0 && now.st_dev == st->st_dev &&
	    now.st_ino == st->st_ino)
		return again;
	close(again);
	return -ESTALE;
}

/* Not a folder, nor anything whose opening could wait or do something. */
static int need_regular(const struct stat *st, char *why)
{
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	snprintf(why, TRUST_WHY_SIZE, "it is no regular file");
	return -EINVAL;
}

int trusted_open(const char *path, struct stat *ret_st, char *why,
                 const char **ret_hint)
{
	const bool trusted = all_trusted();
	int fd, r;

	*why = '\0';
	*ret_hint = NULL;
	if (trusted) {
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = fstat(fd, ret_st) < 0 ? -errno : 0;
	} else {
		fd = walk(path, ret_st, why, ret_hint);
		if (fd < 0)
			return fd;
		r = 0;
	}
	if (!r)
		r = need_regular(ret_st, why);
	if (!r && !trusted && refuse_file(ret_st, why, ret_hint))
		r = -EPERM;
	if (!r)
		r = open_again(fd, path, ret_st);
	close(fd);
	return r;
}
