#!/bin/sh
# CPython's own tests, with the library as without; some 40 minutes.
# run: limit 14400
exec "$(dirname "$0")/cpython" "$@"
