"""A client that comes back.

    retry.py PORT       asks until it is answered, four times at most, with a pause
                        that begins at 100 ms and doubles
"""

import socket
import sys
import time


def ask(port):
    with socket.create_connection(("127.0.0.1", port), 2) as s:
        s.sendall(b"ready?\n")
        return s.makefile().readline().strip()


pause = 0.1
for attempt in range(1, 5):
    try:
        print(ask(int(sys.argv[1])), "after", attempt, "attempts")
        sys.exit(0)
    except OSError as error:
        print(error, file=sys.stderr)
    if attempt < 4:
        time.sleep(pause)
        pause *= 2
sys.exit("given up")
