"""
graceful.py PORT FOLDER - an HTTP server that ends in order.

At SIGTERM it accepts no more, finishes the answers that were begun, each in its
thread, and exits with 0. (`python3 -m http.server` dies at once.)
"""
import functools
import http.server
import signal
import sys
import threading


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for the answers
    request_queue_size = 64


handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                            directory=sys.argv[2])
server = Server(("127.0.0.1", int(sys.argv[1])), handler)
# shutdown waits for serve_forever, which waits for this handler.
signal.signal(signal.SIGTERM, lambda number, frame:
              threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
server.server_close()
print("all answers given", flush=True)
