"""Very many open connections."""

import os
import resource
import statistics
import subprocess
import tempfile

from kit import (BUILD, Variant, Worker, added, again, eight, in_turn, inert,
                 lasting, plain, silent, table, traced)

CONNECTIONS = 50000
# Repetitions per slice. `fork` copies the table of descriptors.
CASES = {"recv": 4000, "serve": 400, "accept": 128, "dup": 128, "fork": 4}
PROGRAM = "crowd"


class Crowd(Worker):
    """A server of so many connections, and their clients, which are without
    the library."""

    def __init__(self, variant, connections):
        self.variant = variant
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = min(connections, limit - 200)
        servers = -(-connections // most)
        each = -(-connections // servers)
        program = os.path.join(BUILD, "bench", PROGRAM)
        self.start([*variant.prefix, program, str(servers), str(each)])
        port = self.process.stdout.readline().strip()
        self.clients = [
            subprocess.Popen([program, "client", port, str(each)],
                             env=plain().env(), stdin=subprocess.PIPE)
            for _ in range(servers)]
        self.held, self.servers = each, servers
        if self.process.stdout.readline().strip() != str(servers * each):
            raise RuntimeError(f"{variant.name}: not all could be opened")

    def end(self):
        super().end()
        for client in self.clients:
            client.stdin.close()
            client.wait()


def measure(variants, connections, rounds):
    """{variant: {case: ([ns without], [ns with])}}, {variant: KiB} and the
    crowd without the library. All at once would be too many for the machine's
    memory and ports: of the variants one after the other takes turns with it.
    """
    base = Crowd(plain(), connections)
    result, memory = {}, {}
    try:
        for variant in variants:
            one = Crowd(variant, connections)
            try:
                result[variant.name] = {c: ([], []) for c in CASES}
                for order in in_turn([(base, 0), (one, 1)], rounds):
                    for case, count in CASES.items():
                        for crowd_, i in order:
                            result[variant.name][case][i].append(
                                crowd_.measure(case, count))
                memory[variant.name] = one.dirty_kib() - base.dirty_kib()
            finally:
                one.end()
    finally:
        base.end()
    return result, memory, base


def row(name, result):
    cells = [name]
    for case in CASES:
        without, with_it = result[name][case]
        pairs = list(zip(with_it, without))
        cells.append(f"{statistics.median(a - b for a, b in pairs):+.0f} "
                     f"{statistics.median(a / b for a, b in pairs):.3f}")
    return cells


def crowd(rounds):
    """The part `crowd` of bench/run."""
    with tempfile.TemporaryDirectory() as directory:
        variants = [again(), inert(), silent(),
                    Variant("1,000 lasting", FAULT_INJECT=lasting()),
                    Variant("8 rules", FAULT_INJECT=eight()),
                    traced(directory)]
        result, kib, base = measure(variants, CONNECTIONS, rounds or 20)
    print(f"Crowd: {CONNECTIONS:,} connections, in {base.servers} processes with "
          f"{base.held:,} each, as\nmany as a process may have here. ns of the case "
          "without the library; then ns\nadded, and the ratio. Bytes: memory of "
          "a process that comes with the library,\nfor each connection.\n")
    plain_row = ["plain"] + [
        f"{statistics.median(result['again'][c][0]):.0f}" for c in CASES]
    rows = [plain_row + [""]]
    for variant in variants:
        rows.append(row(variant.name, result) +
                    [f"{kib[variant.name] * 1024 / base.held:.0f}"])
    table(["", *CASES, "bytes"], rows)
