#!/bin/bash
# A slice of the kernel's truth for every run of the suite: each case in a
# blocking and an edge-triggered program. The whole table: make conformance.
# run: limit 240
exec "$(dirname "$0")/run.sh" -j 4 '* blocking 4' '* epoll-et 6'
