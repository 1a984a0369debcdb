"""Clients of a libjack that frees all of them when one is opened after the server's end."""

from __future__ import annotations

import threading

import pytest

from voicecoil.drivers.miniaudio import _io, library
from voicecoil.drivers.miniaudio.jack_clients import Clients


class Libjack:
    """A libjack that has no callbacks. It checks that a client is closed only while it is open."""

    def __init__(self) -> None:
        self.open_clients: set[int] = set()
        self.is_gone = False
        self.enters = threading.Event()  # set by each `open`
        self._last = 0

    def open(self) -> int:
        if self.is_gone:
            self.open_clients.clear()
            self.is_gone = False
        self.enters.set()
        self._last += 1
        self.open_clients.add(self._last)
        return self._last

    def close(self, client: int) -> int:
        self.open_clients.remove(client)  # KeyError: the client was freed
        return 0


@pytest.fixture
def libjack(monkeypatch: pytest.MonkeyPatch) -> Libjack:
    monkeypatch.setattr(library, "jack", lambda: None)
    return Libjack()


def opened(clients: Clients, libjack: Libjack) -> tuple[int, _io.IO]:
    client, io, _ = clients.open(libjack.open)
    return client, io


def close(clients: Clients, libjack: Libjack, client: int) -> None:
    assert clients.close(client, lambda: libjack.close(client)) == 0


@pytest.mark.parametrize("closes_the_told_one", [True, False])
def test_clients_that_were_freed_untold_are_not_closed(
    libjack: Libjack, closes_the_told_one: bool
) -> None:
    clients = Clients()
    (told, told_io), (late, late_io) = (opened(clients, libjack) for _ in range(2))
    libjack.is_gone = True
    told_io.lose_server()
    if closes_the_told_one:
        close(clients, libjack, told)  # not freed yet
        assert libjack.open_clients == {late}
    fresh, fresh_io = opened(clients, libjack)
    assert late_io.counts()["gone"]
    with clients.kept(late, late_io) as is_there:
        assert not is_there
    close(clients, libjack, told)
    close(clients, libjack, late)
    assert libjack.open_clients == {fresh}
    clients.lose_server()
    assert not fresh_io.counts()["gone"]  # it belongs to the next server
    close(clients, libjack, fresh)
    assert libjack.open_clients == set()


def test_no_other_thread_frees_a_client_that_is_being_closed(libjack: Libjack) -> None:
    """An abandoned call may open a client on another thread at any time."""
    clients = Clients()
    client, io = opened(clients, libjack)
    libjack.enters.clear()
    opener = threading.Thread(target=opened, args=(clients, libjack))
    with clients.kept(client, io) as is_there:
        assert is_there
        libjack.is_gone = True
        opener.start()
        assert not libjack.enters.wait(0.1)
        close(clients, libjack, client)
    opener.join(20)
    assert libjack.open_clients == {2}


def test_a_loss_that_is_noticed_after_the_client_was_opened_is_not_forgotten(
    libjack: Libjack,
) -> None:
    """The new client may belong to the server that ended, and may be told later or never."""
    clients = Clients()
    earlier, earlier_io = opened(clients, libjack)

    def opens() -> int:
        client = libjack.open()
        libjack.is_gone = True
        earlier_io.lose_server()
        return client

    late, late_io, _ = clients.open(opens)
    assert not late_io.counts()["gone"]
    fresh, _ = opened(clients, libjack)
    assert late_io.counts()["gone"]
    for client in (earlier, late, fresh):
        close(clients, libjack, client)
    assert libjack.open_clients == set()
