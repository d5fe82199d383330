#!/bin/sh
# Two rows of servers.sh with little load: a look, in the suite, at what `make
# transparency` looks at for minutes.
# run: waits
# run: each nginx redis
# shellcheck disable=SC2034 # for load.sh
slice=1 load_n=200
. "$(dirname "$0")/servers.sh"
