"""A peer that misbehaves, as peers really do.

    manners.py ask PORT TEXT MANNER CUT     sends a request, reads what comes
    manners.py answer PORT TEXT             answers each request with the text,
                                            in the way of its path /MANNER/CUT

MANNER, after CUT bytes of the text (backslash escapes are understood) have been
sent and the other side has taken them:

    whole    goes on
    reset    resets the connection
    eof      closes it
    half     shuts down its sending side
    silent   says no more
    trickle  sends the rest, RATE bytes a second, in pieces of 50 ms

`ask` prints one line: MS HOW BYTES FIRST-LINE, where HOW is what ended the
reading: closed, reset, or silence (of LIMIT seconds); "gone" if it has gone
itself. MS count from the first byte sent. Then it closes its standard output,
and the connection only when it is killed: a silent peer does not close.
"""

import fcntl
import os
import signal
import socket
import struct
import sys
import termios
import time

RATE = 120
QUANTUM = 0.05
LIMIT = 4


def under_way(s):
    """Bytes that the other side has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0]


def taken(s):
    """Waits until the other side has read everything, by its receive queue,
    which on a busy machine is empty for a while because nothing has come."""
    mine, its = (f"{a[1]:04X}" for a in (s.getsockname(), s.getpeername()))
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if under_way(s):
            continue
        with open("/proc/net/tcp") as f:
            for line in f:
                field = line.split()
                if (field[1].endswith(":" + its) and
                        field[2].endswith(":" + mine)):
                    if field[4].endswith(":00000000"):
                        return
                    break
            else:
                return  # it has closed
    sys.exit("manners: the other side does not read")


def trickle(s, data):
    """By an absolute clock, so that a busy machine does not change the rate."""
    piece, start = int(RATE * QUANTUM), time.monotonic()
    for i in range(0, len(data), piece):
        s.sendall(data[i:i + piece])
        pause = start + (i // piece + 1) * QUANTUM - time.monotonic()
        if i + piece < len(data) and pause > 0:
            time.sleep(pause)


def send(s, data, manner, cut):
    """True if there is something to read still."""
    if manner == "whole":
        s.sendall(data)
        return True
    if manner == "trickle":
        trickle(s, data)
        return True
    s.sendall(data[:cut])
    taken(s)
    if manner == "half":
        s.shutdown(socket.SHUT_WR)
    elif manner == "reset":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
    if manner in ("reset", "eof"):
        s.close()
        return False
    return True


def read(s):
    """How it ended, and what came."""
    got = b""
    s.settimeout(LIMIT)
    try:
        while True:
            data = s.recv(65536)
            if not data:
                return "closed", got
            got += data
    except socket.timeout:
        return "silence", got
    except ConnectionResetError:
        return "reset", got


def ask(port, data, manner, cut):
    s = socket.create_connection(("127.0.0.1", port), LIMIT)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start, how, got = time.monotonic(), "gone", b""
    if send(s, data, manner, cut):
        how, got = read(s)
    ms = int((time.monotonic() - start) * 1000)
    first = got.split(b"\n")[0].decode().strip()
    print(ms, how, len(got), first, flush=True)
    os.close(1)
    while how != "gone":
        signal.pause()


def request_on(s):
    """The manner and the number that are asked for; None at the end."""
    request = b""
    while b"\r\n\r\n" not in request:
        part = s.recv(65536)
        if not part:
            return None
        request += part
    _, manner, cut = request.split()[1].decode().split("/")
    return manner, int(cut)


def answer(port, data):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        s, _ = listener.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            way = request_on(s)
            if way and send(s, data, *way):
                if way[0] in ("whole", "trickle"):
                    s.shutdown(socket.SHUT_WR)
                read(s)
        except OSError:
            pass
        s.close()


def main():
    what, port, text, *way = sys.argv[1:]
    data = text.encode().decode("unicode_escape").encode()
    if what == "ask":
        ask(int(port), data, way[0], int(way[1]))
    else:
        answer(int(port), data)


main()
