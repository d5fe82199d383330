#!/bin/sh
# A slice of CPython's own tests for every run of the suite; the whole, and stock
# servers: make transparency.
# run: parallel
exec "$(dirname "$0")/cpython" -j 4 -p 1 \
	socket:BasicTCPTest,NonBlockingTCPTests,RecvmsgSCMRightsStreamTest,SendfileUsingSendfileTest \
	subprocess:POSIXProcessTestCase.test_close_fds \
	epoll
