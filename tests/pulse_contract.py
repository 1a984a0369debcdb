"""The tests that the miniaudio driver must pass if its output reaches a sink of PulseAudio's
protocol.

The tests record the output from the sink's monitor and compare it after alignment, see `aligned`.
Times and latencies are estimates, so these tests do not check them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import aligned, assert_coded, coded
from driver_contract import CodedOutput, DriverContract
from rig import until
from servers.pulse import SURROUND, Monitor, PulseServer
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.streams.recovery import OnDeviceLost

__all__ = ["PERIOD_FRAMES", "MonitoredContract", "PulseContract", "PulseRig", "Shared"]

PERIOD_FRAMES = 2048  # long, so that a buffer of three periods is enough on a busy machine


class PulseRig:
    """The sink "null0", through PulseAudio's client library or another one that can use it."""

    stepped = False
    channels = [0, 1]  # noqa: RUF012
    cycle_frames = PERIOD_FRAMES

    def __init__(self, server: PulseServer, monitor: Monitor, backend: str = "pulse") -> None:
        self.server = server
        self.monitor = monitor
        self.driver = MiniaudioDriver(backend)
        self.device = next(d for d in self.driver.devices() if d.uid == f"{backend}:null0")

    def advance(self, cycles: int) -> None:
        self.monitor.wait((cycles + 3) * PERIOD_FRAMES)

    def heard(self) -> NDArray[np.float32]:
        return aligned(self.monitor.heard())

    def unplug(self) -> None:
        self.server.kill()


# libpulse refuses to work in a forked child if the parent has used libpulse.
FORKED = """
import os
import voicecoil as vc
print(vc.devices()[0].driver, flush=True)
child = os.fork()
if child == 0:
    for ask in (vc.devices, lambda: vc.OutputStream(lambda block: None)):
        try:
            print(ask())
        except vc.VoicecoilError as error:
            print(type(error).__name__, flush=True)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def plays_on(callback: CodedOutput) -> None:
    blocks = callback.blocks
    until(lambda: callback.blocks > blocks + 3)


class Shared:
    """Returns the server that the tests share. If a test has ended it, starts another server."""

    def __init__(self, make: Callable[[], PulseServer]) -> None:
        self._make = make
        self.server: PulseServer | None = None
        self.monitor: Monitor

    def get(self, monkeypatch: pytest.MonkeyPatch) -> tuple[PulseServer, Monitor]:
        if self.server is None or not self.server.alive:
            self.close()
            self.server = self._make()
            self.monitor = Monitor(self.server)
        self.server.processes.hurry()
        self.server.use(monkeypatch)
        self.monitor.reset()
        return self.server, self.monitor

    def close(self) -> None:
        if self.server is not None:
            self.server.close()


class MonitoredContract(DriverContract):
    """The contract for a subclass whose `rig` fixture records its output from a sink's monitor."""

    def open_output(self, rig: object, callback: object, **wishes: object) -> vc.OutputStream:
        wishes.setdefault("blocksize", PERIOD_FRAMES)
        return super().open_output(rig, callback, **wishes)  # type: ignore[arg-type]

    @pytest.mark.parametrize("blocksize", [1000, 2048, 5000])
    def test_any_blocksize_plays_every_frame(self, rig: PulseRig, blocksize: int) -> None:  # type: ignore[override]
        super().test_any_blocksize_plays_every_frame(rig, blocksize)

    @pytest.mark.skip(reason="PulseAudio's latency is an estimate: nothing to hold it to")
    def test_output_comes_back_after_the_declared_latency(self) -> None:  # type: ignore[override]
        pass

    @pytest.mark.skip(reason="blocks of 16 frames are too short for PulseAudio on a busy machine")
    def test_blocks_inside_a_cycle_have_their_own_times(self) -> None:  # type: ignore[override]
        pass

    def test_latency_is_marked_as_an_estimate(self, rig: PulseRig) -> None:
        with self.open_output(rig, CodedOutput()) as stream:
            assert stream.latency.is_estimate
            assert stream.latency.frames >= PERIOD_FRAMES

    def test_play_arrives_sample_for_sample(self, rig: PulseRig) -> None:
        sound = coded(0, 20_000, 2)
        vc.play(sound, 48_000, driver=rig.driver).wait()
        heard = rig.heard()
        assert_coded(heard)
        assert len(heard) == len(sound)


class PulseContract(MonitoredContract):
    """Tests the contract and features that only PulseAudio's protocol has."""

    def test_default_blocks_are_as_long_as_the_servers_periods(self, rig: PulseRig) -> None:
        """When a stream starts, the server requests its whole buffer at once. The lead must be as
        long as this buffer.
        """
        ahead: dict[str, Any] = {"driver": rig.driver, "latency": "safe"}
        with vc.OutputStream(CodedOutput(), **ahead) as stream:
            assert stream.blocksize in (900, 1_200)
            assert stream.lead_frames == 3_600
            assert stream.latency.frames == 2 * 3_600
        with vc.InputStream(lambda block: None, **ahead) as recording:
            assert recording.blocksize == recording.latency.frames == 1_200
        with vc.InputStream(lambda block: None, blocksize=4_800, **ahead) as recording:
            latency = recording.latency
            assert latency.frames == 4_800, "a block's first frame waits for its last one"
            assert latency.lead_frames == 4_800 - latency.buffer_frames

    loop_error_frames = (
        100  # limit for the difference of a frame's times at the sink and its monitor
    )

    def test_exactly_the_audible_gaps_are_reported(self, rig: PulseRig) -> None:
        """The server reports the frames for which it has played silence. If a callback is late and
        there are no such frames, nothing was lost.
        """
        callback, stalls_s = CodedOutput(), [0.03, 0.2, 0.3]

        def play(block: vc.Block) -> None:
            callback(block)
            if callback.blocks % 20 == 0 and stalls_s:
                time.sleep(stalls_s.pop(0))  # the fault that the test causes

        with vc.OutputStream(play, driver=rig.driver, device=rig.device, latency="low") as stream:
            until(lambda: callback.blocks > 100)
            counted, events = stream.statistics(), stream.events()
        heard = rig.monitor.heard()
        breaks = int((~heard.any(axis=1)).sum())
        assert breaks > 0.3 * 48_000, "two stalls were longer than the buffer of 75 ms"
        assert abs(counted.lost_frames - breaks) <= 48
        assert sum(event.value for event in events if event.kind == "xrun") == counted.lost_frames
        assert_coded(aligned(heard[heard.any(axis=1)]))

    def test_times_and_latencies_are_those_of_a_loop_back(self, rig: PulseRig) -> None:
        # times of each impulse, ns: at the sink, and when the callback ran
        sent: list[tuple[int, int]] = []
        came: list[tuple[int, int]] = []

        def play(block: vc.Block) -> None:
            if stream.statistics().blocks % 25 == 24:
                block.output[0] = 0.5
                sent.append((block.time.output_ns or 0, time.monotonic_ns()))

        def listen(block: vc.Block) -> None:
            for frame in np.flatnonzero(block.input[:, 0] > 0.25):
                at_ns = (block.time.input_ns or 0) + round(int(frame) / 48e-6)
                came.append((at_ns, time.monotonic_ns()))

        low: dict[str, Any] = {"driver": rig.driver, "latency": "low"}
        source = vc.InputStream(listen, device="pulse:null0.monitor", **low)
        stream = vc.OutputStream(play, device=rig.device, **low)
        with source, stream:
            until(lambda: len(came) > 5)
            ways = (source.latency, stream.latency)
        errors = [abs(b[0] - a[0]) * 48e-6 for a, b in zip(sent[1:], came[1:], strict=False)]
        assert max(errors) <= self.loop_error_frames
        least = sum(way.at_least_frames for way in ways)
        most = sum(way.at_most_frames or 0 for way in ways)
        for (_, began_ns), (_, ended_ns) in zip(sent[1:], came[1:], strict=False):
            took = (ended_ns - began_ns) * 48e-6
            assert least - PERIOD_FRAMES <= took <= most + PERIOD_FRAMES

    def test_a_start_loses_nothing(self, rig: PulseRig) -> None:
        """The server begins to play some time after it has got the first frames."""
        callback, lost = CodedOutput(), []

        def play(block: vc.Block) -> None:
            callback(block)
            if callback.position >= 2_400:  # later, a busy machine may lose frames
                lost.append(stream.statistics().lost_frames)
                raise vc.Stop

        with vc.OutputStream(play, driver=rig.driver, blocksize=256, latency="low") as stream:
            stream.wait(20)
        assert lost == [0]

    def test_a_forked_child_cannot_use_the_server(self, rig: PulseRig) -> None:
        done = subprocess.run(
            # Python 3.12 warns if a process with threads forks.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "VOICECOIL_DRIVER": ""},
        )
        assert done.stderr == ""
        assert done.stdout == "miniaudio\nForkedError\nForkedError\n0\n"

    def test_the_devices_are_the_servers(self, rig: PulseRig) -> None:
        found = {device.uid: device for device in rig.driver.devices()}
        assert {"pulse", "pulse:null0", "pulse:null0.monitor"} <= set(found)
        assert found["pulse"].is_default_output
        assert found["pulse"].is_default_input
        sink, source = found["pulse:null0"], found["pulse:null0.monitor"]
        assert (sink.input_channels, sink.output_channels, sink.samplerate) == (0, 2, 48_000)
        assert (source.input_channels, source.output_channels) == (2, 0)
        assert sink.name.endswith(" (PulseAudio)")

    def test_devices_tell_their_transport_maker_and_model(self, rig: PulseRig) -> None:
        control = rig.server.control
        default = next(one for one in rig.driver.devices() if one.uid == "pulse")
        assert default.transport == "virtual"  # that of its sink and of that sink's monitor
        about = "device.bus=usb device.vendor.name=Makers device.product.name=M1"
        module = control(
            "load-module", "module-null-sink", "sink_name=facts", f"sink_properties={about!r}"
        )
        assert module is not None
        try:
            until(lambda: "pulse:facts" in {one.uid for one in rig.driver.devices()})
            listed = {one.uid: one for one in rig.driver.devices()}
        finally:
            control("unload-module", module.strip())
        facts = listed["pulse:facts"]
        assert (facts.transport, facts.manufacturer, facts.model) == ("usb", "Makers", "M1")
        assert (
            facts.input_latency_frames is facts.output_latency_frames is facts.samplerates is None
        )
        ours = listed["pulse:null0"]
        assert (ours.transport, ours.manufacturer) == ("virtual", None)

    def test_record_from_the_monitor_sample_for_sample(self, rig: PulseRig) -> None:
        blocks: list[NDArray[np.float32]] = []
        sound = coded(0, 20_000, 2)
        with vc.InputStream(
            lambda block: blocks.append(block.input.copy()),
            driver=rig.driver,
            device="pulse:null0.monitor",
            blocksize=PERIOD_FRAMES,
        ):
            vc.play(sound, 48_000, driver=rig.driver).wait()
            rig.advance(10)
        recorded = aligned(np.concatenate(blocks))
        assert_coded(recorded)
        assert len(recorded) == len(sound)

    def test_duplex_on_the_default_devices(self, rig: PulseRig) -> None:
        seen = []
        with vc.Stream(
            lambda block: seen.append((block.input.shape, block.output.shape)),
            driver=rig.driver,
            blocksize=PERIOD_FRAMES,
        ):
            rig.advance(10)
        assert set(seen) == {((PERIOD_FRAMES, 2), (PERIOD_FRAMES, 2))}

    def test_a_measurement_is_aligned_within_its_error(self, rig: PulseRig) -> None:
        """The default input is the monitor of the default output."""
        sound = np.zeros((24_000, 1), np.float32)
        sound[0] = 0.5
        given: dict[str, Any] = {"driver": rig.driver, "align": False}
        for _ in range(5):  # on a busy machine, the server itself loses frames
            measurement = vc.playrec(sound, 48_000, input_channels=1, **given)
            response = measurement.wait(60)
            if not measurement.losses:
                break
        assert response is not None
        assert measurement.losses == []
        (first, *_) = np.flatnonzero(response[:, 0] > 0.25)
        assert abs(first - measurement.round_trip_frames) <= measurement.alignment_error_frames

    def test_every_channel_of_a_sink_is_itself(
        self, rig: PulseRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Channels are mapped by their numbers. The server must not mix them by their names."""
        rig.server.add_sink("surround", SURROUND)
        callback = CodedOutput()
        device = next(d for d in rig.driver.devices() if d.uid == "pulse:surround")
        assert device.output_channels == 6
        monitor = Monitor(rig.server, "surround.monitor", SURROUND)
        with vc.OutputStream(
            callback, driver=rig.driver, device=device, channels=6, blocksize=PERIOD_FRAMES
        ) as stream:
            monitor.wait(10 * PERIOD_FRAMES)
            stream.abort()
        assert_coded(aligned(monitor.heard()))

    @pytest.mark.parametrize("policy", get_args(OnDeviceLost))
    def test_a_sink_that_is_removed_under_a_stream(
        self, rig: PulseRig, policy: OnDeviceLost
    ) -> None:
        module = rig.server.add_sink("late")
        callback = CodedOutput()
        stream = vc.OutputStream(
            callback, driver=rig.driver, device="pulse:late", on_device_lost=policy
        )
        stream.start()
        plays_on(callback)
        rig.server.control("unload-module", module)
        if policy == "stop":
            with pytest.raises(vc.DeviceLostError, match="was removed"):
                stream.wait(10)
        else:
            if policy == "wait":
                until(lambda: stream.state == "waiting")
                module = rig.server.add_sink("late")
            uid = "pulse:late" if policy == "wait" else "pulse"
            until(lambda: stream.state == "running" and stream.device.uid == uid)
            plays_on(callback)
            stream.stop()
        told = [event.kind for event in stream.events() if event.kind in ("lost", "back")]
        assert told == (["lost"] if policy == "stop" else ["lost", "back"])
        assert (np.diff(callback.output_ns) > 0).all()
        stream.close()
        rig.server.control("unload-module", module)

    def test_a_default_that_changes_and_one_that_is_removed_under_a_stream(
        self, rig: PulseRig
    ) -> None:
        """The server's default is a separate device, so its streams go on if a sink is removed."""
        control = rig.server.control
        first = (control("get-default-sink") or "").strip()
        module = rig.server.add_sink("late")
        callback = CodedOutput()
        with vc.OutputStream(callback, driver=rig.driver, on_device_lost="wait") as stream:
            plays_on(callback)
            control("set-default-sink", "late")
            plays_on(callback)
            control("set-default-sink", first)
            plays_on(callback)
            control("unload-module", module)
            plays_on(callback)
            module = rig.server.add_sink("late")
            control("set-default-sink", "late")
            with vc.OutputStream(CodedOutput(), driver=rig.driver, on_device_lost="wait") as later:
                until(lambda: later.statistics().blocks > 3)
                control("unload-module", module)
                blocks = later.statistics().blocks
                until(lambda: later.statistics().blocks > blocks + 3)
                assert later.device.uid == "pulse"
            assert stream.device.uid == "pulse"
        assert (np.diff(callback.output_ns) > 0).all()

    def test_a_server_that_is_killed_is_noticed_soon_and_nothing_hangs(self, rig: PulseRig) -> None:
        stream = vc.Stream(lambda block: None, driver=rig.driver)
        stream.start()
        rig.advance(3)
        rig.unplug()
        began = time.monotonic()
        with pytest.raises(vc.DeviceLostError, match="the server of PulseAudio stopped"):
            stream.wait(10)
        stream.close()
        assert time.monotonic() - began < 5
        assert rig.driver.devices() == []

    def test_play_command_is_heard_and_prints_nothing_else(self, rig: PulseRig) -> None:
        command = [sys.executable, "-m", "voicecoil", "tone", "440", "--duration", "0.3"]
        env = {**os.environ, "VOICECOIL_DRIVER": "miniaudio"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
        assert done.returncode == 0
        assert done.stderr == ""
        assert done.stdout == "played 440 Hz for 300 ms on Default (PulseAudio), 48 kHz\n"
        assert len(rig.heard()) >= 14_000
