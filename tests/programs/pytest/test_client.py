"""The client, which is in this process: `fault exec -s faults.yaml -- pytest`."""
import threading

import pytest

from client import ask


def test_gives_up_after_three_refusals(fault, neighbour):
    with fault("outage") as hits:
        with pytest.raises(ConnectionRefusedError):
            ask(neighbour, "hello")
        assert hits() == 3
    assert ask(neighbour, "hello") == "olleh"


def test_half_an_answer_is_none(fault, neighbour):
    with fault("cut") as hits:
        with pytest.raises(ConnectionError):
            ask(neighbour, "hello", attempts=2)
        assert hits() == 2


def test_comes_back_when_the_outage_is_over(fault, neighbour):
    answers = []
    client = threading.Thread(
        target=lambda: answers.append(ask(neighbour, "hello", attempts=100)))
    with fault("outage") as hits:
        client.start()
        while hits() < 2:
            assert client.is_alive()
    client.join()
    assert answers == ["olleh"]
