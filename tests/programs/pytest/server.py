"""server.py PORT: answers each line with the line backwards."""
import socketserver
import sys


class Backwards(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line[-2::-1] + b"\n")


class Server(socketserver.ThreadingTCPServer):
    """Prints what a client of it died of, and goes on."""
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Backwards) as server:
        print("ready", flush=True)
        server.serve_forever()
