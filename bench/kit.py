"""What the parts of bench/run share: variants, workers that take turns,
tables."""

import os
import select
import socket
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build/release"))
LIBRARY = os.path.join(BUILD, "libfault.so")
NEVER = 4000000000  # a number that no call reaches
LIMIT = 60  # seconds for one slice

# ---- variants ---------------------------------------------------------------


def one():
    return f"recv:reset:nth={NEVER}"


def eight():
    """Eight rules of one counting class, for every family measured."""
    return ";".join(f"accept,close,recv,send,socket:delay=1s:nth={NEVER + i};"
                    f"poll:error=EINTR:nth={NEVER + i}" for i in range(8))


def eight_classes():
    """Eight rules that match and select other calls, so each has its count."""
    more = ["", ",bind", ",listen", ",connect", ",bind,listen",
            ",bind,connect", ",listen,connect", ",bind,listen,connect"]
    return ";".join(f"accept,close,recv,send,socket{m}:delay=1s:nth={NEVER}"
                    for m in more)


def thousand():
    """Rules for other sockets: their ports are never seen. (`nth` because a
    socket without a port may still come to match.)"""
    calls = ["recv,send", "accept", "close", "connect", "shutdown"]
    return ";".join(f"{calls[i % len(calls)]}:delay=1s:port={i + 1}:"
                    f"nth={NEVER}" for i in range(1000))


def lasting():
    """Rules for other sockets that change readiness while they act."""
    rules = ["recv:delay=1s", "send:stall", "recv:rate=1kB/s",
             "accept:delay=1s", "connect:delay=1s"]
    return ";".join(f"{rules[i % len(rules)]}:port={i + 1}"
                    for i in range(1000))


def yaml(path, rules):
    """The same rules in a file of faults; a one-line rule is flat YAML."""
    with open(path, "w") as f:
        f.write("version: 1\nfaults:\n")
        for rule in rules.split(";"):
            calls, action, *rest = rule.split(":")
            inject = action.replace("=", ": ") if "=" in action else action
            keys = "".join(f", {k}: {v}" for k, v in
                           (word.split("=") for word in rest))
            f.write(f"  - {{call: [{calls}], inject: {{{inject}}}{keys}}}\n"
                    if "=" in action else
                    f"  - {{call: [{calls}], inject: {inject}{keys}}}\n")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def elsewhere():
    """A rule that holds back a byte of one connection, and rules that last for
    others; the calls that are measured are of sockets of no rule."""
    port = free_port()
    rules = [f"recv:delay=100m:port={port}", f"send:rate=1kB/s:port={port}",
             "recv:stall:port=1", "connect:delay=1s:port=2"]
    return Variant("held elsewhere", HELD_PORT=str(port),
                   FAULT_INJECT=";".join(rules))


class Variant:
    """How a program is started: words before it, and environment. One that is
    slower has slices that are smaller by so much."""

    def __init__(self, name, prefix=(), preload=True, slower=1, **env):
        self.name = name
        self.slower = slower
        self.prefix = list(prefix)
        self.set = dict(env)
        if preload and not prefix:
            self.set["LD_PRELOAD"] = LIBRARY

    def env(self, **more):
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith("FAULT_") and k != "LD_PRELOAD"}
        return {**clean, **self.set, **more}


def plain():
    return Variant("plain", preload=False)


def again():
    """The same once more: what differs from plain is the machine's noise."""
    return Variant("again", preload=False)


def inert():
    return Variant("inert")


def silent():
    return Variant("1,000 rules", FAULT_INJECT=thousand())


def traced(directory):
    trace = os.path.join(directory, "trace")
    return Variant("traced", [os.path.join(BUILD, "fault"), "exec", "--trace",
                              trace, "--"])


# ---- workers that take turns ------------------------------------------------


class Worker:
    """A process that speaks the protocol of bench/worker.h."""

    def __init__(self, program, variant):
        self.variant = variant
        self.start(variant.prefix + [os.path.join(BUILD, "bench", program)])

    def start(self, command):
        self.process = subprocess.Popen(
            command, env=self.variant.env(), text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def measure(self, case, count):
        count = max(count // self.variant.slower, 1)
        return int(self.ask(case, count)) / count

    def ask(self, case, count):
        self.process.stdin.write(f"{case} {count}\n")
        ready = select.select([self.process.stdout], [], [], LIMIT)[0]
        answer = self.process.stdout.readline() if ready else None
        if not answer:
            self.process.kill()
            sys.exit(f"bench: {self.variant.name}: {case}: "
                     f"the worker {'ended' if ready else 'is stuck'}")
        return answer

    def dirty_kib(self):
        """What it has written to, of its own and of shared memory."""
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f
                       if line.startswith(("Private_Dirty", "Shared_Dirty")))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def in_turn(things, rounds):
    """All of them each round, another one first each time."""
    for i in range(rounds):
        yield things[i % len(things):] + things[:i % len(things)]


def alternate(program, variants, cases, rounds, at_end=lambda worker: None):
    """{case: {variant: [ns per repetition, one per round]}}"""
    workers = [Worker(program, v) for v in variants]
    result = {c: {v.name: [] for v in variants} for c in cases}
    for order in in_turn(workers, rounds):
        for case, count in cases.items():
            for worker in order:
                result[case][worker.variant.name].append(
                    worker.measure(case, count))
    for worker in workers:
        at_end(worker)
        worker.end()
    return result


# ---- tables -----------------------------------------------------------------


def added(row, name):
    """Median of the differences within each round, and of the ratios."""
    pairs = list(zip(row[name], row["plain"]))
    return (statistics.median(v - p for v, p in pairs),
            statistics.median(v / p for v, p in pairs))


def table(head, rows):
    widths = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        print("  ".join(cell.ljust(widths[0]) if i == 0 else
                        cell.rjust(widths[i]) for i, cell in enumerate(row)))
    print()


def miss(text):
    print(f"misses its aim: {text}")
