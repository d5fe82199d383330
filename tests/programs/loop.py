"""An HTTP server of one asyncio loop: `python3 loop.py PORT [UPSTREAM]`.

A path /up/NAME asks the server on port UPSTREAM for /NAME, over a new connection,
and passes its answer on. TIMEOUT in the environment: so many
seconds for a request, and for the upstream's answer.
"""

import asyncio
import os
import sys

PORT = int(sys.argv[1])
UPSTREAM = int(sys.argv[2]) if len(sys.argv) > 2 else 0
TIMEOUT = float(os.environ.get("TIMEOUT", 10))


def log(what, error):
    print(f"{what}: {type(error).__name__}: {error}", flush=True)


def answer(status, body):
    return (f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
            .encode() + body)


async def ask_upstream(path):
    reader, writer = await asyncio.open_connection("127.0.0.1", UPSTREAM)
    try:
        writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n"
                     b"Connection: close\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1])
                      for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:"))
        return await reader.readexactly(length)
    finally:
        writer.close()


async def reply_to(request):
    path = request.split()[1]
    if not path.startswith(b"/up/"):
        return answer("200 OK", b"hello\n")
    try:
        return answer("200 OK", await asyncio.wait_for(ask_upstream(path[3:]),
                                                       TIMEOUT))
    except asyncio.TimeoutError as error:
        log("upstream", error)
        return answer("504 Gateway Timeout", b"")
    except (OSError, EOFError) as error:
        log("upstream", error)
        return answer("502 Bad Gateway", b"")


async def serve(reader, writer):
    try:
        while True:
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"),
                                             TIMEOUT)
            writer.write(await reply_to(request))
            await writer.drain()
            if b"\r\nConnection: close" in request:
                break
    except asyncio.IncompleteReadError as error:
        if error.partial:
            log("client", error)
    except (OSError, asyncio.TimeoutError) as error:
        log("client", error)
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    await server.serve_forever()


asyncio.run(main())
