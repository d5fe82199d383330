"""Other injectors, with a fault that could come and does not."""

import os
import shutil
import subprocess

from kit import TOP, Variant

FIU = os.path.join(TOP, "build/fiu/root/usr/lib")
FIU_LIBRARIES = ["libfiu.so.0", "fiu/fiu_run_preload.so",
                 "fiu/fiu_posix_preload.so"]
# One failure point for each call that the workers and servers receive by.
FIU_POINTS = ["posix/io/net/recv", "posix/io/rw/read"]

# strace counts to 65,535, and does it for all calls of a process: a traced
# variant makes fewer than that in a whole run, as it has smaller slices.
STRACE_NEVER = 65535
STRACE_SLOWER = 40


def libfiu():
    """A failure point at probability 0."""
    libraries = [os.path.join(FIU, name) for name in FIU_LIBRARIES]
    for library in libraries:
        if not os.path.exists(library):
            raise FileNotFoundError("libfiu: not fetched (bench/fetch)")
    points = "\n".join(f"enable_random name={point},probability=0"
                       for point in FIU_POINTS)
    return Variant("libfiu", preload=False, LD_PRELOAD=" ".join(libraries),
                   FIU_ENABLE=points, FIU_CTRL_FIFO="")


def strace(name, *options):
    """An error at the last call that strace can count to. The tracer is a
    grandchild (-D): the process that is started is the program."""
    program = shutil.which("strace")
    if not program:
        raise FileNotFoundError(f"{name}: no strace")
    prefix = [program, "-D", "-f", "-qq", "-o", "/dev/null", *options,
              "-e", "trace=recvfrom,read",
              "-e", f"inject=recvfrom,read:error=ECONNRESET:"
              f"when={STRACE_NEVER}"]
    tried = subprocess.run([*prefix, "true"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, check=False)
    if tried.returncode:
        raise FileNotFoundError(f"{name}: {tried.stderr.strip()}")
    return Variant(name, prefix, slower=STRACE_SLOWER)


MAKERS = [libfiu, lambda: strace("strace"),
          lambda: strace("strace, bpf", "--seccomp-bpf")]


def others():
    """Those that are there; the reasons of the others are printed."""
    found = []
    for make in MAKERS:
        try:
            found.append(make())
        except FileNotFoundError as reason:
            print(f"left out: {reason}")
    return found
