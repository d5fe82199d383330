"""
jobs.py PORT JOBS - does jobs with redis, each exactly once.

A job is one transaction: its number becomes `last`, and `done` is counted up.
Who loses the connection before the answer cannot know whether the job was done.
So it connects again, every 50 ms until somebody is there, and asks for `last`.
"""
import socket
import sys
import time

PORT, JOBS = int(sys.argv[1]), int(sys.argv[2])


class Queue:
    """A connection to redis. Every method raises OSError when it dies."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=10)
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis has closed the connection")
        kind, value = line[:1], line[1:-2]
        if kind == b"-":
            sys.exit(f"redis says {value.decode()}")
        if kind == b"*":
            return [self.reply() for _ in range(int(value))]
        if kind == b"$":
            size = int(value)
            return self.stream.read(size + 2)[:size] if size >= 0 else None
        return value

    def last(self):
        self.socket.sendall(b"GET last\r\n")
        return int(self.reply() or 0)

    def do(self, number):
        self.socket.sendall(b"MULTI\r\nSET last %d\r\nINCR done\r\nEXEC\r\n"
                            % number)
        for _ in range(4):
            self.reply()


def connect():
    failed = 0
    while True:
        try:
            queue = Queue()
        except OSError as error:
            failed += 1
            if failed == 1:
                print(f"no redis: {error}", flush=True)
            time.sleep(0.05)
            continue
        if failed:
            print(f"redis is back after {failed} attempts", flush=True)
        return queue


queue = connect()
number = queue.last() + 1
while number <= JOBS:
    try:
        queue.do(number)
        number += 1
    except OSError as error:
        print(f"lost redis at job {number}: {error}", flush=True)
        queue.close()
        queue = connect()
        number = queue.last() + 1
        print(f"goes on with job {number}", flush=True)
print(f"{JOBS} jobs done", flush=True)
