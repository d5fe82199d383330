/*
 * trust.h - opening files that say what is run and what is injected.
 *
 * A scenario starts commands, and decides what other programs are told: whoever
 * can write it, or put another one in its place, acts as the user who runs it.
 * So it is refused when that may be somebody else: as git(1) does with foreign
 * folders and sshd(8) with its files.
 *
 *   - the owner is neither root, nor the effective user, nor the user who
 * called sudo (SUDO_UID, heard only where the effective user is root);
 *   - all may write it (S_IWOTH; a group's right is the owner's affair: umask
 * 002 is the rule on several distributions);
 *   - a part of its path is a symbolic link: what it names can be changed
 * without the file being touched.
 *
 * FAULT_TRUST_FILES=1 takes all three on trust, where others are known to be
 * harmless: the checkout of a container's root, Bazel's trees of links.
 */
#ifndef FAULT_LANG_TRUST_H
#define FAULT_LANG_TRUST_H

#include <sys/stat.h>

enum {
	TRUST_WHY_SIZE = 256
};

/*
 * open(2) for reading, of regular files only, so that it never waits.  The
 * descriptor, with what fstat(2) says of it in *ret_st; or -errno, -EPERM when
 * the file is refused.  Where the errno does not say it all, why has a
 * sentence, else it is empty; *ret_hint says what to do, or is NULL.  It is
 * static.
 */
int trusted_open(const char *path, struct stat *ret_st, char *why,
                 const char **ret_hint);

#endif
