"""
worker.py PORT [JOBS] - does its jobs one after another with a queue's help.

Each job is `ECHO N` to 127.0.0.1:PORT, which redis answers with N, and a server
that sends back what comes with the same line. Without the queue it tries again
every 50 ms, as long as it takes: what a correct worker does.
"""
import socket
import sys
import time

PORT, JOBS = int(sys.argv[1]), int((sys.argv[2:] or [100])[0])


def say(text):
    print(text, flush=True)


def ask(queue, number):
    answer = b""
    queue.sendall(b"ECHO %d\r\n" % number)
    while not answer.endswith(b"%d\r\n" % number):
        data = queue.recv(4096)
        if not data:
            raise ConnectionError("the queue has closed")
        answer += data


def connect():
    failed = 0
    while True:
        try:
            queue = socket.create_connection(("127.0.0.1", PORT), timeout=10)
        except OSError as error:
            failed += 1
            if failed == 1:
                say(f"no queue: {error}")
            time.sleep(0.05)
            continue
        if failed:
            say(f"the queue is back after {failed} attempts")
        return queue


queue = connect()
number = 1
while number <= JOBS:
    try:
        ask(queue, number)
    except OSError as error:
        say(f"lost the queue: {error}")
        queue.close()
        queue = connect()
        continue
    say(f"job {number} done")
    number += 1
    time.sleep(0.005)
say(f"{JOBS} jobs done")
