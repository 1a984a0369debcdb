"""Sound travels between two hosts through the networks of JACK and PulseAudio (docs/linux.md).

A stream plays on one host. The frames that arrive on the other host are compared with those that
were played.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded
from paths import TESTS
from servers.jack import JackServer, SoundCard, use
from servers.network import Hosts
from servers.processes import Processes, needs
from servers.pulse import Monitor, PulseServer
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime

FRAMES = 40_000
PLAY = """
import sys
sys.path.insert(0, sys.argv[1])
import voicecoil as vc
from coded import coded
vc.play(coded(0, int(sys.argv[2]), 2), 48_000, driver=sys.argv[3]).wait()
"""


def play(driver: str, env: dict[str, str]) -> None:
    """Plays coded frames in a process of its own, as on another host."""
    done = subprocess.run(
        [sys.executable, "-c", PLAY, str(TESTS), str(FRAMES), driver],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    hosts = Hosts()
    yield hosts
    hosts.close()


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.close()


def test_netjack_carries_every_frame(
    hosts: Hosts,
    processes: Processes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The master has the sound card. The network is the only clock of the other host's jackd."""
    needs("jackd", "jack_load", "jack_lsp")
    master = JackServer(period_frames=1024, role="master", before=hosts.on(0))
    use(master, monkeypatch)
    card = SoundCard(master, tmp_path)
    try:
        subprocess.run(["jack_load", "-i", "-c", "netmanager"], check=True, capture_output=True)
        slave = f"voicecoil-slave-{os.environ.get('PYTEST_XDIST_WORKER', 'gw')}"
        command = [*hosts.on(1), "jackd", "-n", slave, "--no-realtime"]
        command += ["-d", "net", "-n", "studio", "-C", "2", "-P", "2"]
        processes.start(command)

        def connected() -> bool:
            listed = subprocess.run(["jack_lsp", "-c"], capture_output=True, text=True)
            return "card-sink:playback_1\n   studio:from_slave_1" in listed.stdout

        processes.until_ready(connected, "the other host's jackd")
        card.reset()
        play("miniaudio:jack", {"JACK_DEFAULT_SERVER": slave})
        card.advance(50)
        heard = card.heard()
    finally:
        card.unplug()
        processes.close()
        master.close()
    assert_coded(heard)
    assert len(heard) == FRAMES


# ---- RTP ---------------------------------------------------------------------------------------

SOUND_S = 3.0
# A block is searched at most this far from the place that the previous block suggests.
SEARCH_FRAMES = 500
BLOCK_FRAMES = 1_920  # short, so that a block is hardly stretched


def smooth_noise() -> NDArray[np.float32]:
    """Returns noise below about 2 kHz, of which no part resembles another part."""
    noise = np.random.default_rng(1).standard_normal((int(48_000 * SOUND_S), 2))
    kernel = np.hanning(33)[:, None] / 16.5
    length = len(noise) + len(kernel) - 1
    spectrum = np.fft.rfft(noise, length, axis=0) * np.fft.rfft(kernel, length, axis=0)
    return (0.2 * np.fft.irfft(spectrum, length, axis=0)).astype(np.float32)


def correlation(heard: NDArray[np.float32], block: NDArray[np.float32]) -> tuple[float, int]:
    """Finds the part of `heard` that resembles `block` most. Returns their correlation, 0 to 1, and
    the first frame of this part.
    """
    products = np.correlate(heard, block, "valid")
    energy = np.correlate(heard**2, np.ones_like(block), "valid")
    likeness = products / (np.sqrt(energy * np.sum(block**2)) + 1e-9)
    best = int(np.argmax(likeness))
    return float(likeness[best]), best


def test_rtp_carries_the_sound(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """RTP carries 16 bits, and the receiver stretches the sound to its own clock. Therefore the
    samples are similar and not equal.
    """
    sender = PulseServer(before=hosts.on(0))
    receiver = PulseServer(before=hosts.on(1))
    try:
        assert receiver.control("load-module", "module-rtp-recv", "latency_msec=200")
        if not sender.control("load-module", "module-rtp-send", "source=null0.monitor"):
            pytest.skip("NOT TESTED: RTP needs gstreamer1.0-plugins-good")
        receiver.processes.until_ready(
            lambda: "rtp" in (receiver.control("list", "sink-inputs") or ""), "the RTP stream"
        )
        monitor = Monitor(receiver)
        sender.use(monkeypatch)
        sound = smooth_noise()
        vc.play(sound, 48_000, driver=MiniaudioDriver("pulse")).wait()
        heard = monitor.heard()
    finally:
        sender.close()
        receiver.close()
    ahead = 0  # frames by which the receiver is ahead of the sender
    for first in range(0, len(sound) - BLOCK_FRAMES, BLOCK_FRAMES):
        begin = max(0, first + ahead - SEARCH_FRAMES)
        end = first + ahead + BLOCK_FRAMES + SEARCH_FRAMES
        for channel in (0, 1):
            block = sound[first : first + BLOCK_FRAMES, channel]
            likeness, place = correlation(heard[begin:end, channel], block)
            assert likeness > 0.95, f"frame {first}, channel {channel}: {likeness:.3f}"
        ahead = begin + place - first
