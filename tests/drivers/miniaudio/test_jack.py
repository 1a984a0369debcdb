"""The miniaudio driver on a real jackd: the contract, and features that only JACK has.

Two JACK clients act as the sound card. Each sample that they receive is compared with the one that
was played.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from driver_contract import CodedOutput, DriverContract
from rig import until
from servers.jack import JackServer, SoundCard, use
from voicecoil.drivers.miniaudio import jack
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.drivers.protocol import Direction

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


class JackRig:
    stepped = False
    channels = [0, 1]  # noqa: RUF012

    def __init__(self, server: JackServer, card: SoundCard) -> None:
        self.server = server
        self.card = card
        self.cycle_frames = server.period_frames
        self.driver = MiniaudioDriver("jack")
        self.device = self.driver.devices()[0]

    def advance(self, cycles: int) -> None:
        self.card.advance(cycles)

    def heard(self) -> NDArray[np.float32]:
        self.card.advance(1)  # the card may not have the newest cycle yet
        return self.card.heard()

    def unplug(self) -> None:
        self.server.kill()
        # The card's clients must be closed before another client is opened, see Backend.connecting.
        self.card.unplug()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("card")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[dict[str, tuple[JackServer, SoundCard]]]:
    """Yields a dictionary for the server, which the tests share until one of them ends it."""
    shared: dict[str, tuple[JackServer, SoundCard]] = {}
    yield shared
    for server, card in shared.values():
        if server.alive:
            card.unplug()
        server.close()


@pytest.fixture
def rig(
    running: dict[str, tuple[JackServer, SoundCard]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> JackRig:
    server, card = running.get("it", (None, None))
    if server is None or not server.alive:
        if server is not None:
            server.close()
        server = JackServer()
        use(server, monkeypatch)
        card = SoundCard(server, folder)
        running["it"] = server, card
    assert card is not None
    use(server, monkeypatch)
    card.reset()
    return JackRig(server, card)


class TestJack(DriverContract):
    def test_the_device_has_the_channels_and_rate_of_the_server(self, rig: JackRig) -> None:
        device = rig.device
        assert (device.name, device.uid) == ("JACK", "jack")
        assert (device.input_channels, device.output_channels) == (2, 2)
        assert device.samplerate == 48_000
        assert (device.samplerates, device.transport) == ((48_000.0,), None)
        assert device.is_default_input
        assert device.is_default_output

    def test_the_device_has_the_latency_of_the_card_without_the_buffer(self, rig: JackRig) -> None:
        period = rig.cycle_frames
        for card, device in (((0, 0), (0, 0)), ((37, period + 41), (37, 41))):
            rig.card.library.card_set_latencies(*card)
            try:
                found = rig.driver.devices()[0]
                with vc.Stream(lambda block: None, driver=rig.driver, latency="low") as stream:
                    rig.advance(3)
                    parts = [one.device_frames for one in stream.latency]
            finally:
                rig.card.library.card_set_latencies(0, 0)
            assert (found.input_latency_frames, found.output_latency_frames) == device
            assert tuple(parts) == device

    def test_the_period_is_the_servers(self, rig: JackRig) -> None:
        with self.open_output(rig, CodedOutput()) as stream:
            assert stream.blocksize == rig.cycle_frames
            assert not stream.latency.is_estimate

    def test_the_latency_is_the_same_before_while_and_after_it_runs(self, rig: JackRig) -> None:
        with vc.Stream(lambda block: None, driver=rig.driver) as asked_before:
            before = asked_before.latency
            rig.advance(3)
            assert asked_before.latency == before
        for one in before:
            assert not one.is_estimate
        with vc.Stream(lambda block: None, driver=rig.driver, latency="low") as stream:
            rig.advance(3)
            now = stream.latency
        lead = before[1].lead_frames
        assert [one.frames for one in now] == [before[0].frames, before[1].frames - lead]
        assert stream.latency == now
        assert asked_before.latency == before

    def test_opening_and_starting_do_not_wait_for_the_latency(
        self, rig: JackRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        real = jack.port_latency_frames

        def watched(port: int, direction: Direction) -> int | None:
            asked.append(direction)
            return real(port, direction)

        monkeypatch.setattr(jack, "port_latency_frames", watched)
        with self.open_output(rig, CodedOutput()) as stream:
            rig.advance(3)
            assert not stream.latency.is_estimate
        assert asked == []
        idle = vc.InputStream(lambda block: None, driver=rig.driver)
        assert not idle.latency.is_estimate
        idle.close()
        assert asked == ["input"]

    def test_another_rate_is_refused_with_the_reason(self, rig: JackRig) -> None:
        with pytest.raises(vc.ArgumentError, match="runs at 48000 Hz because JACK has no other"):
            self.open_output(rig, CodedOutput(), samplerate=44_100)

    def test_a_sound_of_another_rate_is_converted(self, rig: JackRig) -> None:
        tone = np.full((4_410, 2), 0.25, np.float32)
        vc.play(tone, 44_100, driver=rig.driver).wait()
        assert abs(len(rig.heard()) - 4_800) < 100

    def test_play_arrives_sample_for_sample(self, rig: JackRig) -> None:
        sound = coded(0, 20_000, 2)
        playback = vc.play(sound, 48_000, driver=rig.driver)
        playback.wait()
        assert_coded(rig.heard())
        assert len(rig.heard()) == len(sound)

    def test_a_measurement_is_aligned_to_the_frame(self, rig: JackRig) -> None:
        """The card sends its output back, and both clients report their latencies."""
        sound = coded(0, 4_800, 2)
        for align in (True, False):
            for _ in range(20):  # on a busy machine, the server itself loses frames
                measurement = vc.playrec(
                    sound, 48_000, input_channels=2, driver=rig.driver, align=align
                )
                response = measurement.wait(60)
                if measurement.valid:
                    break
            assert response is not None
            assert measurement.valid
            assert measurement.alignment_error_frames == 0
            later = 0 if align else measurement.round_trip_frames
            assert np.array_equal(response[later:], sound[: len(sound) - later])
            assert not response[:later].any()


def test_a_server_that_is_killed_is_noticed_at_once_and_nothing_hangs(rig: JackRig) -> None:
    stream = vc.Stream(lambda block: None, driver=rig.driver)
    stream.start()
    rig.advance(3)
    rig.unplug()
    began = time.monotonic()
    with pytest.raises(vc.DeviceLostError, match="JACK ended its connection to 'JACK'"):
        stream.wait(10)
    stream.close()
    assert time.monotonic() - began < 5
    assert rig.driver.devices() == []
    with pytest.raises(vc.DeviceNotFoundError, match="driver 'miniaudio:jack'"):
        vc.OutputStream(lambda block: None, driver=rig.driver)


def test_the_latency_of_a_server_that_is_gone_is_an_estimate(rig: JackRig) -> None:
    stream = vc.Stream(lambda block: None, driver=rig.driver)
    rig.unplug()
    until(lambda: stream._connection.driver_stream._opened.gone)
    assert all(one.is_estimate for one in stream.latency)
    stream.close()
    assert all(one.is_estimate for one in stream.latency)


def test_a_sound_goes_on_on_a_server_that_comes_back_at_another_rate(rig: JackRig) -> None:
    """The engine converts, so the sound keeps its pitch and its length."""
    playback = vc.play(coded(0, 100_000, 2), 48_000, driver=rig.driver, on_device_lost="wait")
    rig.advance(3)
    rig.unplug()
    until(lambda: playback._output.stream.state == "waiting")
    other = JackServer(samplerate=44_100, ports=2)
    try:
        assert playback.wait(30)
        assert playback.position == 100_000
        assert playback._output.stream.device.samplerate == 44_100
    finally:
        other.close()
