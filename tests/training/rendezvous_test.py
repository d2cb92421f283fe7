"""How the processes of a run meet: all at once, or each is told who is missing."""

import re
import socket
import threading
import time

import pytest

from deltarule.errors import ProcessError, SettingError
from deltarule.launcher import free_port
from deltarule.training.rendezvous import meet, parts_of


def met(*processes: tuple[int, int], timeout: float = 1.0, address: str = "") -> dict:
    """What each of the processes (rank, count) comes to, by its place in the list."""
    address, found = address or f"127.0.0.1:{free_port('127.0.0.1')}", {}

    def come(at, rank, count):
        try:
            found[at] = meet(address, rank, count, timeout)
        except (ProcessError, SettingError) as error:
            found[at] = str(error).replace(address, "HERE")

    threads = [threading.Thread(target=come, args=(at, *process)) for at, process in enumerate(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_all_meet_whoever_comes_first():
    assert met((2, 3), (0, 3), (1, 3), timeout=20) == dict.fromkeys(range(3), "127.0.0.1")


def test_everybody_is_told_who_is_missing():
    found = met((0, 4), (2, 4))
    why = "launch: process 1, 3 of 4 did not come to HERE within 1 s"
    assert found == {0: f"{why}; see whether it was started, and with this address", 1: why}


def test_a_wrong_address_is_named():
    found = met((1, 2), timeout=0.3)[0]
    assert found.startswith("launch: process 1 found no process 0 at HERE within 0.3 s (Connection refused); see")


def test_an_address_of_another_machine_is_no_place_to_listen():
    found = met((0, 2), address="192.0.2.77:7100")[0]
    assert found.startswith("launch: process 0 cannot listen at HERE (")


def test_processes_that_do_not_agree_on_their_number_are_told():
    found = met((0, 2), (1, 3))
    assert found[1] == "launch: process 0 was started for 2 processes, process 1 for 3"
    assert found[0].startswith("launch: process 1 of 2 did not come")


def test_a_rank_that_has_come_already_is_told():
    found = met((0, 3), (1, 3), (1, 3))
    assert "launch: there is a process 1 already, or none of this rank among 3" in found.values()


def test_a_stranger_is_left_alone():
    """One who says something else than a rank is no process of the run, and does not end it."""
    port, found = free_port("127.0.0.1"), {}
    stranger = threading.Thread(target=strange, args=(port,))
    stranger.start()
    leader = threading.Thread(target=lambda: found.update(leader=meet(f"127.0.0.1:{port}", 0, 2, 20)))
    leader.start()
    stranger.join()
    assert leader.is_alive()
    assert meet(f"127.0.0.1:{port}", 1, 2, 20) == "127.0.0.1"
    leader.join()
    assert found == {"leader": "127.0.0.1"}


def strange(port: int) -> None:
    """Says what no process says, as soon as somebody listens."""
    deadline = time.monotonic() + 10
    for words in (
        b"GET / HTTP/1.0\r\n\r\n\n",
        b"[]\n",
        b'{"rank": "all"}\n',
        b'{"rank": true, "count": 2}\n',
        b"",
    ):
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as leader:
                    leader.sendall(words)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            except OSError:  # it was heard, and the line was cut
                break


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:", ":7100", "host:port", "host:0", "host:70000"])
def test_an_address_is_a_host_and_a_port(address):
    message = f"launch: expected an address HOST:PORT, such as 10.0.0.1:7100, got {address!r}"
    with pytest.raises(SettingError, match=re.escape(message)):
        parts_of(address)
