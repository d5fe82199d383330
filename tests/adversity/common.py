"""What the campaigns share: `fault run` of a scenario, and what it leaves."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", TOP + "/build/release")
FAULT = BUILD + "/fault"
PR_SET_CHILD_SUBREAPER = 36
LIMIT = 60  # seconds for a run that takes a tenth of one

# What a run says of itself when all is well.
SCENARIOS = {"pass": (0, b"1 passed"), "fail": (1, b"1 failed")}
ENVIRONMENT = 3
# The reason: what strerror says, or the words of the runner for it.
REASON = re.compile(
    rb"memory|Too many open files|No space|temporarily unavailable|No buffer|"
    rb"guardian (is gone|was killed)|already in use|Cannot assign|"
    rb"not permitted|busy|Interrupted system call|descriptor|File too large|"
    rb"killed by SIG|no free port", re.I)


def prepare():
    """What a run leaves becomes ours."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})


def restore():
    """For preexec_fn: `fault` has the mask that everybody has."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def orphans():
    """Ids of shared memory that nobody uses and whose maker is gone."""
    with open("/proc/sysvipc/shm") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return {row[1] for row in rows  # shmid; nattch, cpid
            if row[6] == "0" and not os.path.exists("/proc/" + row[4])}


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def adopted():
    """Waits for what the run has left to its grandparent; those that stay."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if not pid:
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return children(os.getpid())


class Run:
    """One `fault` in folders of its own, and complaints about it."""

    def __init__(self, label, folder):
        self.label, self.complaints = label, []
        self.tmp = tempfile.mkdtemp(dir=folder)
        self.before = orphans()

    def start(self, *argv, **env):
        self.process = subprocess.Popen(
            argv, cwd=TOP, env=dict(os.environ, TMPDIR=self.tmp, **env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, bufsize=0,
            preexec_fn=restore)
        return self.process

    def finish(self, said=b""):
        """All that it has said."""
        try:
            self.output = said + self.process.communicate(timeout=LIMIT)[0]
        except subprocess.TimeoutExpired:
            self.complain("it hangs")
            os.killpg(self.process.pid, signal.SIGABRT)
            self.output = said + self.process.communicate()[0]
        return self.output

    def look_for_leftovers(self):
        left = adopted()
        if left:
            self.complain("processes are left: %s" % left)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            adopted()
        shutil.rmtree(self.tmp + "/out", ignore_errors=True)
        left = os.listdir(self.tmp)
        if left:
            self.complain("left in TMPDIR: " + " ".join(left))
        shutil.rmtree(self.tmp)
        left = orphans() - self.before
        if left:
            self.complain("shared memory is left: " + " ".join(left))

    def complain(self, what):
        self.complaints.append(what)

    def tell(self):
        """Whether all was well; if not, what was not."""
        said = self.output.decode(errors="replace").strip().splitlines()[-6:]
        for what in self.complaints:
            print(f"# {self.label}: {what}", flush=True)
            for line in said:
                print("#     " + line, flush=True)
        return not self.complaints
