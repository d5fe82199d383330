"""The server, which the fixture starts under `fault exec`: plain `pytest`."""
import pytest

from client import ask


def test_a_connection_that_dies_in_the_queue(fault, server):
    with fault("aborted") as hits:
        with pytest.raises(ConnectionError):
            ask(server, "hello", attempts=1)
        assert hits() == 1
    assert ask(server, "hello", attempts=1) == "olleh"


def test_a_client_that_dies_before_its_answer(fault, server):
    with fault("gone") as hits:
        with pytest.raises(ConnectionError):
            ask(server, "hello", attempts=1)
        assert hits() == 1
    assert ask(server, "hello", attempts=1) == "olleh"


def test_a_request_that_comes_in_pieces(fault, server):
    with fault("pieces") as hits:
        assert ask(server, "hello", attempts=1) == "olleh"
        assert hits() >= 6
