#!/bin/sh
# Tests in jest switch faults on and off themselves: they pass, fail when nothing
# is armed, and find programs that are wrong. docs/test-frameworks.md is about them.
# run: waits limit 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../projects.sh"
stock_path jest >"$T/path" || t_skip_all "jest was not fetched"
project=jest
stock_commands "$T/commands"
PATH=$T/commands:$BUILD:$PATH
export TMPDIR="$T" # it keeps a cache

client_tests() { "$FAULT" exec -s faults.yaml -- jest client.test.js; }
server_tests() { jest server.test.js; }

all_pass '^Tests: +3 passed, 3 total'

find_wrong <<'END'
tests of a client fail when nothing is armed|client_tests|Tests: +3 failed, 3 total|fault.js|s/run('arm', name)//
tests of a server fail when nothing is armed|server_tests|Tests: +3 failed, 3 total|fault.js|s/run('arm', name)//
a fault that is not switched off again is seen|client_tests|✕ gives up after three|fault.js|s/run('disarm', name)//
a client that does not come back is found|client_tests|✕ comes back when|client.js|s/if (--attempts === 0) //
a server that dies with its client is found|server_tests|✕ a client that dies before|server.js|/on('error'/d
a server that takes a piece for a request is found|server_tests|✕ a request that comes in pieces|server.js|s/rest + data/'' + data/
END
t_done
