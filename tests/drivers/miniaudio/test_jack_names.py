"""Names and connections of JACK clients, as another client of a real jackd sees them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

import voicecoil as vc
from rig import until
from servers.jack import JackServer, use
from servers.processes import needs
from voicecoil.arguments import program_name
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    needs("jack_lsp")
    server = JackServer(ports=2)
    use(server, monkeypatch)
    server.processes.until_ready(lambda: "system:playback_1" in connections(), "jackd")
    yield server
    server.close()


def connections() -> dict[str, list[str]]:
    """Returns each port of the server with the ports that it is connected to."""
    done = subprocess.run(["jack_lsp", "-c"], capture_output=True, text=True, timeout=20)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("   "):
            found[list(found)[-1]].append(line.strip())
        elif ":" in line:
            found[line] = []
    return found


def ports_of(client: str) -> dict[str, list[str]]:
    return {port: ends for port, ends in connections().items() if port.split(":")[0] == client}


def silence(block: vc.Block) -> None:
    pass


def test_a_client_has_its_streams_name_and_is_connected_only_when_that_is_wanted(
    server: JackServer,
) -> None:
    driver = MiniaudioDriver("jack")
    with (
        vc.OutputStream(silence, driver=driver),
        vc.OutputStream(silence, driver=driver, name="drums: ä"),
        vc.OutputStream(silence, driver=driver, name="drums: ä"),
        vc.Stream(silence, driver=driver, name="x" * 64, connect=False) as free,
        vc.InputStream(silence, driver=driver, name="ears"),
    ):
        outputs = {0: ["system:playback_1"], 1: ["system:playback_2"]}
        for client in (program_name(), "drums_ ä", "drums_ ä-01"):
            assert ports_of(client) == {f"{client}:playback{n}": to for n, to in outputs.items()}
        long = "x" * 60
        alone = {f"{long}:{way}{n}": [] for way in ("capture", "playback") for n in (0, 1)}
        assert ports_of(long) == alone
        inputs = {f"ears:capture{n}": [f"system:capture_{n + 1}"] for n in (0, 1)}
        assert ports_of("ears") == inputs
        until(lambda: free.statistics().frames > 0)  # cycles run even if no port is connected

        free.stop()
        free.start()
        assert ports_of(long) == alone


def test_a_stream_that_comes_back_has_its_name_and_stays_unconnected(server: JackServer) -> None:
    driver = MiniaudioDriver("jack")
    with vc.OutputStream(
        silence, driver=driver, name="patch me", connect=False, on_device_lost="wait"
    ) as stream:
        server.kill()
        until(lambda: stream.state == "waiting")
        server.start()
        until(lambda: stream.state == "running")
        assert ports_of("patch me") == {"patch me:playback0": [], "patch me:playback1": []}
