#!/usr/bin/env python3
"""Children of Python's subprocess close everything in a child of vfork: what
the parent has must stay known (run under recv:short=1B:role=accepted)."""
import socket
import subprocess

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
accepted, _ = listener.accept()


def cut():
    client.sendall(b"12345678")
    first = len(accepted.recv(8))
    left = 8 - first
    while left:
        left -= len(accepted.recv(left))
    return first == 1


for kwargs in ({}, {"close_fds": False}, {"stdin": subprocess.DEVNULL},
               {"pass_fds": [accepted.fileno()]}, {"start_new_session": True},
               {"preexec_fn": lambda: None}):
    subprocess.run(["true"], check=True, **kwargs)
    assert cut(), kwargs
