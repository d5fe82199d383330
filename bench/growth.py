"""How the cost grows with the number of rules."""

import os
import tempfile

from kit import NEVER, Variant, added, again, alternate, plain, table, yaml

COUNTS = [1, 10, 100, 1000, 10000]
CALLS = {"recv": 4000, "byte": 400, "accept": 128, "connect": 128,
         "socket": 500, "epoll": 4000}


def other_ports(i):
    """Rules of five families, for ports that never come."""
    calls = ["recv,send", "accept", "close", "connect", "shutdown"]
    return f"{calls[i % len(calls)]}:delay=1s:port={i + 1}:nth={NEVER}"


def timed(i):
    """... that look at the clock, and change readiness while they act."""
    calls = ["recv", "send", "accept", "connect"]
    return f"{calls[i % len(calls)]}:delay=1s:port={i + 1}:after=1h"


def pending(i):
    """Rules that match each connection and share a count; never due."""
    return f"recv,send,accept,close:reset:nth={NEVER + i}"


KINDS = {"other ports": other_ports, "timed": timed, "matching": pending}


def variants(directory):
    """One for each kind and number of rules."""
    found = [plain(), again()]
    for kind, rule in KINDS.items():
        for count in COUNTS:
            path = os.path.join(directory, f"{kind}-{count}.yaml")
            rules = ";".join(rule(i) for i in range(count))
            found.append(Variant(f"{kind}, {count:,}",
                                 FAULT_SCENARIO=yaml(path, rules)))
    return found


def growth(rounds):
    """The part `growth` of bench/run."""
    print("Growth: rules that never act. ns of the case without the library; "
          "then ns added,\nand the ratio. Attach: ms of a program that does "
          "nothing. KiB: memory of the\nprocess, plan and tables among it.\n")
    memory = {}

    def note_memory(worker):
        memory[worker.variant.name] = worker.dirty_kib()

    with tempfile.TemporaryDirectory() as directory:
        all_variants = variants(directory)
        result = alternate("percall", all_variants, CALLS, rounds or 30,
                           note_memory)
        start = alternate("startup", all_variants, {"true": 2},
                          max((rounds or 30) // 3, 1))["true"]
    rows = []
    for variant in all_variants:
        name = variant.name
        if name == "plain":
            cells = [f"{sorted(result[c][name])[len(result[c][name]) // 2]:.0f}"
                     for c in CALLS]
        else:
            cells = ["{:+.0f} {:.3f}".format(*added(result[c], name))
                     for c in CALLS]
        rows.append([name, *cells, f"{added(start, name)[0] / 1e6:+.2f}",
                     f"{memory[name] - memory['plain']:+d}"])
    table(["", *CALLS, "attach", "KiB"], rows)
