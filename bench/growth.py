"""How the cost grows with the number of rules."""

import os
import resource
import shutil
import statistics
import tempfile

from kit import (BUILD, NEVER, Variant, Worker, added, again, alternate,
                 in_turn, plain, table, yaml)

COUNTS = [1, 10, 100, 1000, 10000]
CALLS = {"recv": 8000, "byte": 400, "accept": 128, "connect": 128,
         "socket": 1000, "epoll": 8000}


def other_ports(i):
    """Rules of five families, for ports that never come."""
    calls = ["recv,send", "accept", "close", "connect", "shutdown"]
    return f"{calls[i % len(calls)]}:delay=1s:port={i + 1}:nth={NEVER}"


def lasting(i):
    """... that change readiness while they act, and look at the clock."""
    return f"recv,send,accept:delay=1s:port={i + 1}:after=1h"


def pending(i):
    """Rules that match every connection and share a count; never due."""
    return f"recv,send,accept,close:reset:nth={NEVER + i}"


KINDS = {"other ports": other_ports, "timed, other ports": lasting,
         "matching": pending}


def variants(directory, kind):
    """One for each number of rules."""
    found = []
    for count in COUNTS:
        rules = ";".join(KINDS[kind](i) for i in range(count))
        path = os.path.join(directory, f"{kind}-{count}.yaml")
        found.append(Variant(f"{count:,}", rules=count,
                             FAULT_SCENARIO=yaml(path, rules)))
    return found
