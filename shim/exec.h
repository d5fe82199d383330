/*
 * exec.h - what is entered in place of exec*, posix_spawn*, system and popen
 * when this run was preloaded: the same call, with an environment in which it
 * still is (envp.h).
 *
 * Entered by the stubs of note_stubs.S, with the program's own arguments.  An
 * environment that lacks nothing is passed on as it is.  `environ` is never
 * changed: execv and its kin are made by their twins that take an environment,
 * which is what libc does.
 *
 * Async-signal-safe, also in a child of vfork (system and popen excepted, as
 * always).  The copy is on the stack up to 2 KiB (250 variables), else in
 * memory of its own, which goes with the image.  In a child of vfork it would
 * be the parent's for ever: there the stack is used up to 16 KiB, and a larger
 * environment is passed on as it is.  So is one that only with ours is too
 * large for the kernel (E2BIG).
 */
#ifndef FAULT_SHIM_EXEC_H
#define FAULT_SHIM_EXEC_H

#include <stdio.h>

int with_execve(const char *path, char *const *argv, char *const *envp);
int with_execv(const char *path, char *const *argv);
int with_execvp(const char *file, char *const *argv);
int with_execvpe(const char *file, char *const *argv, char *const *envp);
int with_execl(const char *path, const char *arg, ...);
int with_execlp(const char *file, const char *arg, ...);
int with_execle(const char *path, const char *arg, ...);
int with_fexecve(int fd, char *const *argv, char *const *envp);
int with_execveat(int dir, const char *path, char *const *argv,
                  char *const *envp, int flags);
int with_posix_spawn(int *pid, const char *path, const void *actions,
                     const void *attributes, char *const *argv,
                     char *const *envp);
int with_posix_spawnp(int *pid, const char *file, const void *actions,
                      const void *attributes, char *const *argv,
                      char *const *envp);

/* syscall(2) by its arguments, the environment at index `at` of them. */
long with_syscall(const long *args, unsigned at);

/*
 * Their shell is told (exec_shell.c): libc gives it `environ`, but what it
 * starts has what it exports.
 */
void exec_shell_prepare(void); /* while attaching */
int with_system(const char *command);
FILE *with_popen(const char *command, const char *mode);

#endif
