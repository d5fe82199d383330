#!/bin/sh
# Tests in pytest switch faults on and off themselves: they pass, fail when nothing
# is armed, and find programs that are wrong. docs/test-frameworks.md is about them.
# run: waits limit 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../projects.sh"
stock_path pytest >"$T/path" || t_skip_all "pytest was not fetched"
project=pytest
stock_commands "$T/commands"
PATH=$T/commands:$BUILD:$PATH
export PYTHONDONTWRITEBYTECODE=1 PYTEST_ADDOPTS='-q -rf -p no:cacheprovider'

client_tests() { "$FAULT" exec -s faults.yaml -- pytest test_client.py; }
server_tests() { pytest test_server.py; }

all_pass '^3 passed'

find_wrong <<'END'
tests of a client fail when nothing is armed|client_tests| 3 failed in|conftest.py|s/run("arm", name)/pass/
tests of a server fail when nothing is armed|server_tests| 3 failed in|conftest.py|s/run("arm", name)/pass/
a fault that is not switched off again is seen|client_tests|FAILED [^ ]*three_refusals|conftest.py|s/run("disarm", name)/pass/
a client that does not come back is found|client_tests|FAILED [^ ]*outage_is_over|client.py|s/ConnectionError:$/ConnectionResetError:/
a server that dies with its client is found|server_tests|FAILED [^ ]*before_its_answer|server.py|s/daemon_threads = True/&\n    def handle_error(self, *_): __import__("os")._exit(1)/
a server that takes a piece for a request is found|server_tests|FAILED [^ ]*in_pieces.* 1 failed, 2 passed|server.py|s/in self.rfile/in iter(lambda: self.request.recv(99), b"")/
END
t_done
