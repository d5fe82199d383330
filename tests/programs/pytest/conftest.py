import contextlib
import os
import socket
import subprocess
import sys
import threading

import pytest

import server as program


def run(*words):
    return subprocess.run(["fault", *words], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


@pytest.fixture
def fault():
    """`with fault(NAME) as hits:`: the rule acts in there, hits() times so far."""
    @contextlib.contextmanager
    def armed(name):
        before = int(run("hits", name))
        run("arm", name)
        try:
            yield lambda: int(run("hits", name)) - before
        finally:
            run("disarm", name)
    return armed


@pytest.fixture(scope="session")
def server():
    """The port of a server under faults.yaml, which `fault arm` then reaches."""
    if "PORT" in os.environ:  # tests.yaml has started it
        yield int(os.environ["PORT"])
        return
    port = free_port()
    with subprocess.Popen(
            ["fault", "exec", "-s", "faults.yaml", "--",
             "sh", "-c", 'echo $FAULT_SHM; exec "$@"', "sh",
             sys.executable, "server.py", str(port)],
            stdout=subprocess.PIPE, text=True) as process:
        os.environ["FAULT_SHM"] = process.stdout.readline().strip()
        assert process.stdout.readline() == "ready\n"
        yield port
        del os.environ["FAULT_SHM"]
        process.terminate()


@pytest.fixture(scope="session")
def neighbour():
    """The port of a server in this very process."""
    with program.Server(("127.0.0.1", 0), program.Backwards) as server:
        threading.Thread(target=server.serve_forever, args=[0.05]).start()
        yield server.server_address[1]
        server.shutdown()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
