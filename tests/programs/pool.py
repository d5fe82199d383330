"""
pool.py PORT SIZE - an HTTP client with a pool of SIZE connections.

It makes SIZE requests at once, so that each has its connection, keeps these, and
says so. At SIGUSR1 it makes a request on each of them. One that had been used before
and ends without a byte of an answer was stale: the server has closed it, perhaps
without having seen the request. It is replaced, once; a new one that fails is an
error.
"""
import http.client
import signal
import sys

PORT, SIZE = int(sys.argv[1]), int(sys.argv[2])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})


def say(text):
    print(text, flush=True)


def connect():
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    connection.connect()
    return connection


def answer_on(connection):
    connection.request("GET", "/")
    reply = connection.getresponse()
    body = reply.read().decode().strip()
    return f"{reply.status} {body}"


pool = [connect() for _ in range(SIZE)]
for number, connection in enumerate(pool, 1):
    say(f"connection {number}: {answer_on(connection)}")
say("the pool is idle")
signal.sigwait({signal.SIGUSR1})
for number, connection in enumerate(pool, 1):
    try:
        answer = answer_on(connection)
    except (http.client.RemoteDisconnected, ConnectionResetError,
            BrokenPipeError) as error:
        say(f"connection {number} was stale: {type(error).__name__}")
        connection.close()
        pool[number - 1] = connect()
        answer = answer_on(pool[number - 1])
    say(f"connection {number}: {answer}, again")
