"""One file of CPython's own tests, run by the python under test.

    cpython_tests.py RESULTS MODULE [ID…]

Appends a line of JSON to RESULTS for each test: [id, outcome, reason].  First
comes ["(pid)", PID, ""], last ["(environment)", "kept" or "altered", ""], so
that a run that did not end is seen.  With IDs only these tests are run; one
that ends in a star stands for all that begin so.

As regrtest does it, with its resources but none that needs a network, and
without a thread, a timer or a descriptor of ours that a test could notice.
"""

import importlib
import json
import os
import sys
import types
import unittest

from test import support
from test.libregrtest.setup import setup_tests
from test.support import os_helper

RESOURCES = ["cpu", "subprocess", "decimal"]
# They ask for a network, and are content with the machine itself.
LOOPBACK = ["test_socketserver"]
# Not run: how its ID begins, and why.
EXCLUDED = {
    "test.test_socket.ThreadedVSOCKSocketStreamTest":
        "hangs by itself in a virtual machine whose kernel has no VSOCK loopback",
}


def note(*line):
    """A child that a test has forked may come here too: it is no result."""
    if os.getpid() == process:
        with open(results, "a") as f:
            f.write(json.dumps(line) + "\n")


class Result(unittest.TextTestResult):
    """Each test has one outcome; a failed part of it is an outcome of its own."""

    def addSuccess(self, test):
        super().addSuccess(test)
        note(test.id(), "ok", "")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        note(test.id(), "skipped", reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        note(test.id(), "failed", describe(err))

    def addError(self, test, err):
        super().addError(test, err)
        note(test.id(), "error", describe(err))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        note(test.id(), "expected failure", "")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        note(test.id(), "unexpected success", "")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            note(subtest.id(), "failed", describe(err))


def describe(err):
    kind, value, _ = err
    return f"{kind.__name__}: {value}"


def chosen(suite):
    """The wanted ones of it, in their order and with their fixtures."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test)
            continue
        reason = [why for one, why in EXCLUDED.items()
                  if test.id().startswith(one)]
        if reason:
            note(test.id(), "excluded", reason[0])
        elif not wanted or any(
                test.id().startswith(one[:-1]) if one.endswith("*")
                else test.id() == one for one in wanted):
            yield test


def run(suite):
    unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Result).run(
        unittest.TestSuite(chosen(suite)))


def run_module(module):
    loaded = importlib.import_module(f"test.{module}")
    support._run_suite = run  # what a test_main comes to
    if hasattr(loaded, "test_main"):
        loaded.test_main()
    else:
        run(unittest.defaultTestLoader.loadTestsFromModule(loaded))


def main():
    global results, process, wanted
    results, module, *wanted = sys.argv[1:]
    process = os.getpid()
    note("(pid)", process, "")
    support.verbose = 1
    setup_tests(types.SimpleNamespace(
        testdir=None, huntrleaks=False, memlimit=None, threshold=None,
        verbose=0, timeout=None, xmlpath=None, use_resources=RESOURCES +
        ["network"] * (module in LOOPBACK)))
    with os_helper.temp_cwd(None):
        try:
            run_module(module)
        except unittest.SkipTest as skip:
            note(f"test.{module}", "skipped", str(skip))
        support.reap_children()
    note("(environment)", "altered" if support.environment_altered else "kept",
         "")


if __name__ == "__main__":
    main()
