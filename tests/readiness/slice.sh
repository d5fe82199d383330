#!/bin/bash
# A slice of the readiness suite for every run of the tests: each style of
# waiting, each single case, once.  All of it: make readiness.
# run: limit 240
exec "$(dirname "$0")/run.sh" -j 8 \
	'data * armed 4' 'data epoll-* call 6' 'data * second 6' \
	'fin * call 4' 'fin epoll-* armed 6' 'fin-during-hold epoll-* armed 4' \
	'flood * armed 4' 'flood epoll-* call 6' \
	'* - armed 4' '* own 4'
