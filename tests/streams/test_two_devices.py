"""A duplex stream on two devices: one callback on the output's clock."""

from __future__ import annotations

import contextlib
import os
import sys

import numpy as np
import pytest

import voicecoil as vc
from natives import Gain, function
from rig import until
from voicecoil.drivers.two_devices import DevicePair
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

HOMES = ["low", "safe"]
SECONDS = float(os.environ.get("VOICECOIL_TWO_DEVICES_S", "8"))
HZ = 997.0


def step_together(devices, seconds):
    """Steps the devices in the order of their host times."""
    end_ns = min(device.now_ns() for device in devices) + round(seconds * 1e9)
    while (first := min(devices, key=VirtualDevice.now_ns)).now_ns() < end_ns:
        first.step()


class Desk:
    """A microphone that hears a known sound, and loudspeakers with another clock."""

    def __init__(self, mic_ppm=0.0, out_ppm=0.0, rates=(48_000.0, 48_000.0), **settings):
        def device(name, inputs, frames, rate, ppm):
            return VirtualDevice(
                name,
                input_channels=inputs,
                output_channels=2,
                frames=frames,
                samplerate=rate,
                clock="stepped",
                clock_ppm=ppm,
                latency_frames=(7, 5),
                **settings,
            )

        self.mic = device("mic", 2, 512, rates[0], mic_ppm)
        self.speakers = device("speakers", 0, 480, rates[1], out_ppm)
        self.driver = VirtualDriver([self.mic, self.speakers])
        self.made = 0
        self.impulses = []  # host times at which an impulse was at the microphone

    def sing(self, block):
        """The sound that the microphone hears: a sine."""
        at = self.made + np.arange(block.frames)
        block.output[:] = 0.9 * np.sin(2 * np.pi * HZ / block.samplerate * at)[:, None]
        self.made += block.frames

    def tap(self, block):
        """The sound that the microphone hears: an impulse in every 50th block."""
        self.made += 1
        if self.made % 50 == 0:
            block.output[0] = 1.0
            self.impulses.append(block.time.output_ns)

    def hear(self, sound):
        """Returns the stream that plays `sound` to the microphone, with the microphone's clock."""
        return vc.OutputStream(sound, driver=self.driver, device="mic", latency="low")

    def stream(self, callback, **arguments):
        return vc.Stream(
            callback,
            driver=self.driver,
            device=("mic", "speakers"),
            **{"latency": "low"} | arguments,
        )

    def step(self, seconds):
        step_together([self.mic, self.speakers], seconds)


def sine_error_db(sound):
    """The part of `sound` that is not a sine of its own frequency, phase and level."""
    at = np.arange(len(sound))
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    best = 2 * np.pi * np.argmax(spectrum) / len(sound)
    for _ in range(6):  # Newton's steps of the frequency
        basis = np.stack([np.cos(best * at), np.sin(best * at)], axis=1)
        (a, b), *_ = np.linalg.lstsq(basis, sound, rcond=None)
        slope = at * (-a * np.sin(best * at) + b * np.cos(best * at))
        basis = np.column_stack([basis, slope])
        step = np.linalg.lstsq(basis, sound, rcond=None)[0][2]
        best += step
    rest = sound - basis[:, :2] @ np.linalg.lstsq(basis[:, :2], sound, rcond=None)[0]
    return 10 * np.log10(np.mean(rest**2) / np.mean(sound**2))


@pytest.mark.parametrize("ppm", [300.0, -300.0])
@pytest.mark.parametrize("latency", HOMES)
def test_a_sine_keeps_100_db_at_300_ppm(latency, ppm):
    desk, heard = Desk(ppm / 2, -ppm / 2), []

    def keep(block):
        heard.append(block.input[:, 1].copy())
        block.output[:] = block.input

    with desk.hear(desk.sing), desk.stream(keep, latency=latency) as stream:
        desk.step(SECONDS)
        assert stream.statistics().xruns == 0
        assert stream.statistics().frames == sum(map(len, heard))
        stream.abort()
    assert sine_error_db(np.concatenate(heard)[-96_000:]) < -100.0


@pytest.mark.parametrize(
    "rates", [(44_100.0, 48_000.0), (48_000.0, 44_100.0), (96_000.0, 48_000.0)]
)
def test_the_devices_may_have_different_rates(rates):
    desk, heard = Desk(150, -100, rates), []
    with desk.hear(desk.sing), desk.stream(lambda b: heard.append(b.input[:, 0].copy())) as stream:
        assert stream.samplerate == rates[1]
        desk.step(SECONDS)
        assert stream.statistics().xruns == 0
        stream.abort()
    assert sine_error_db(np.concatenate(heard)[-48_000:]) < -95.0


@pytest.mark.parametrize("latency", HOMES)
@pytest.mark.parametrize("jitter_s", [0.0, 1e-4])
def test_an_impulse_is_where_the_latency_and_the_times_say(latency, jitter_s):
    desk, found = Desk(300, -300, jitter_s=jitter_s), []

    def look(block):
        peak = int(np.argmax(block.input[:, 0]))
        if block.input[peak, 0] > 0.2:
            at_ns = block.time.input_ns + peak / block.samplerate * 1e9
            delay = (block.time.output_ns - block.time.input_ns) * block.samplerate / 1e9
            found.append((at_ns, delay, block.time.output_frames - block.time.input_frames))

    with desk.hear(desk.tap), desk.stream(look, latency=latency) as stream:
        desk.step(SECONDS)
        both = sum(latency.frames for latency in stream.latency)
        stream.abort()
    settled = [one for one in found if one[0] > found[0][0] + 3e9]
    assert len(settled) >= 6
    for at_ns, delay, frames in settled:
        nearest = min(desk.impulses, key=lambda ns: abs(ns - at_ns))
        assert abs(at_ns - nearest) * 48e3 / 1e9 < 1.0 + jitter_s * 48e3
        assert frames == both
        assert delay == pytest.approx(both, abs=0.75 + 2 * jitter_s * 48e3)


def test_native_code_gets_the_input_on_the_outputs_thread(library):
    desk = Desk(300, -300)
    desk.speakers.capture()
    gain = vc.NativeCallback(function(library), Gain(0.5, -1, 0))
    with desk.hear(desk.sing), desk.stream(gain, latency="safe") as stream:
        desk.step(SECONDS)
        assert stream.lead_frames == 0
        assert stream.statistics().xruns == 0
        stream.abort()
    heard = desk.speakers.heard()[-48_000:, 0]
    assert np.max(heard) == pytest.approx(0.45, abs=0.001)
    assert sine_error_db(heard) < -95.0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="isolated=True needs Python 3.12")
def test_an_isolated_callback_gets_the_input():
    desk = Desk(300, -300)
    call = {"isolated": True, "results": {"text": b" " * 200}}
    with desk.hear(desk.sing), desk.stream("isolated_callables:facts", **call) as stream:
        desk.step(0.5)
        assert b"True 48000.0 480 0" in stream.results.text
        assert stream.statistics().xruns == 0
        stream.abort()


def test_every_run_has_the_same_delay():
    desk, delays = Desk(100, -100), []
    stream = desk.stream(lambda b: delays.append(b.time.output_frames - b.time.input_frames))
    with desk.hear(desk.tap), stream:
        for _ in range(3):
            desk.step(1.0)
            stream.abort()
            stream.start()
        stream.abort()
    assert len(set(delays)) == 1


def test_a_loss_of_the_input_is_an_xrun_of_that_length():
    desk, lost = Desk(50, -50), []
    with desk.hear(desk.tap), desk.stream(lambda b: lost.append(b.xrun)) as stream:
        desk.step(2.0)
        desk.mic.inject("xrun", 4800)
        desk.step(2.0)
        assert sum(lost) == pytest.approx(4800, abs=3)
        assert stream.statistics().lost_frames == sum(lost)
        stream.abort()


def test_a_loss_of_the_output_is_an_xrun_of_that_length():
    desk, lost = Desk(50, -50), []
    with desk.hear(desk.tap), desk.stream(lambda b: lost.append(b.xrun)) as stream:
        desk.step(2.0)
        desk.speakers.inject("xrun", 960)
        desk.step(2.0)
        assert sum(lost) == 960
        assert stream.statistics().xruns == 1
        stream.abort()


@pytest.mark.parametrize("name", ["mic", "speakers"])
def test_the_loss_of_either_device_ends_the_stream_and_is_reported_once(name):
    desk = Desk()
    lost = {"mic": desk.mic, "speakers": desk.speakers}[name]
    with desk.stream(lambda b: None) as stream:
        desk.step(0.5)
        lost.inject("unplug")
        lost.step()
        with pytest.raises(vc.DeviceLostError, match=f"'{name}' was unplugged"):
            stream.wait(5)
        assert [event.kind for event in stream.events()].count("lost") == 1
        assert stream.state == "finished"


@pytest.mark.parametrize("name", ["mic", "speakers"])
def test_the_stream_continues_when_the_device_is_back(name):
    desk, blocks = Desk(20, -20), []
    lost = {"mic": desk.mic, "speakers": desk.speakers}[name]
    with desk.stream(lambda b: blocks.append(b.frames), on_device_lost="wait") as stream:
        desk.step(0.5)
        lost.inject("unplug")
        lost.step()
        until(lambda: stream.state == "waiting")
        lost.replug(0.1)
        until(lambda: stream.state == "running")
        before = len(blocks)
        desk.step(0.5)
        assert len(blocks) > before + 20
        kinds = [event.kind for event in stream.events() if event.kind in ("lost", "back")]
        assert kinds == ["lost", "back"]
        stream.abort()


def test_a_stream_that_lost_one_device_continues_on_the_defaults():
    desk, blocks = Desk(), []
    desk.driver.virtual_devices.append(
        VirtualDevice("headset", clock="stepped", frames=480, loopback=False)
    )
    with desk.stream(lambda b: blocks.append(b.frames), on_device_lost="default") as stream:
        desk.step(0.5)
        desk.speakers.inject("unplug")
        desk.speakers.step()
        # The microphone has outputs, too, so it is the default for both directions.
        until(lambda: stream.device.uid == "virtual:mic" and stream.state == "running")
        before = len(blocks)
        desk.mic.step(20)
        assert len(blocks) >= before + 20
        stream.abort()


@pytest.mark.parametrize("name", ["mic", "speakers"])
def test_a_start_that_failed_leaves_nothing_and_can_be_repeated(name):
    desk, blocks = Desk(), []
    stream = desk.stream(lambda b: blocks.append(b.frames))
    others = [
        vc.OutputStream(lambda b: None, driver=desk.driver, device=name, latency="low")
        for _ in range(64)  # as many as a virtual device runs
    ]
    for other in others:
        other.start()
    with pytest.raises(vc.DriverError, match="64 running streams"):
        stream.start()
    assert not stream.active
    for other in others:
        other.close()
    stream.start()
    desk.step(0.5)
    assert len(blocks) > 20
    stream.close()


def test_a_device_after_a_pair_that_does_not_start_brings_its_own_input():
    desk, heard = Desk(), []
    desk.mic = VirtualDevice("mic", output_channels=0, clock="stepped", loopback=False)
    desk.driver = VirtualDriver([desk.mic, desk.speakers])
    headset = VirtualDevice("headset", clock="stepped", frames=480)

    def play(block):
        heard.append(block.input.copy())
        block.output[:] = 0.5

    with desk.stream(play, on_device_lost="default") as stream, contextlib.ExitStack() as others:
        desk.step(0.5)
        desk.speakers.inject("unplug")
        desk.speakers.step()
        until(lambda: stream.state == "waiting")
        for _ in range(64):  # as many as a virtual device runs, so the pair cannot be started
            other = vc.InputStream(lambda b: None, driver=desk.driver, device="mic", latency="low")
            others.enter_context(other)
        desk.driver.virtual_devices.remove(desk.speakers)
        desk.speakers.replug(0.1)
        desk.driver.virtual_devices[:] = [headset, desk.mic, desk.speakers]
        until(lambda: stream.device.uid == "virtual:headset" and stream.state == "running")
        heard.clear()
        headset.step(20)
        assert np.all(np.concatenate(heard)[-480:] == 0.5)  # the headset hears its own output
        stream.abort()


def test_the_defaults_are_used_together_if_they_are_two_devices():
    """As on a MacBook: the microphone has no output, the speakers have no input."""
    driver = VirtualDriver(
        [
            VirtualDevice("microphone", input_channels=1, output_channels=0, loopback=False),
            VirtualDevice("speakers", input_channels=0, output_channels=2),
        ]
    )
    with vc.Stream(lambda b: None, driver=driver) as stream:
        assert stream.channels == (1, 2)
        assert isinstance(stream.device, DevicePair)
        assert (stream.device.input.name, stream.device.output.name) == ("microphone", "speakers")
        assert "microphone + speakers" in repr(stream)
        until(lambda: stream.statistics().blocks > 3)
        again = stream.device
    with vc.Stream(lambda b: None, driver=driver, device=again) as stream:
        assert stream.device == again


def test_a_pair_has_the_rates_of_its_output():
    mic = VirtualDevice("mic", clock="stepped", output_channels=0)
    speakers = VirtualDevice(
        "speakers", clock="stepped", input_channels=0, rates=(44_100.0, 48_000.0)
    )
    pair = {"driver": VirtualDriver([mic, speakers]), "device": ("mic", "speakers")}
    with pytest.raises(vc.ArgumentError, match=r"one of its rates \(44100, 48000 Hz\)"):
        vc.Stream(lambda b: None, samplerate=44_100, latency="low", **pair)
    with vc.Stream(lambda b: None, samplerate=44_100, device_rate="set", **pair) as stream:
        device = stream.device
        assert (device.samplerate, device.output.samplerate) == (44_100, 44_100)
        assert device.input.samplerate == 48_000
        assert "the drift correction" in stream.settings["conversion_quality"].reason
        stream.abort()


def test_an_output_that_cannot_close_does_not_keep_the_input_open():
    class Broken:
        """The stream of a device whose driver fails when it closes the stream."""

        def __init__(self, stream):
            self._stream = stream

        def __getattr__(self, name):
            return getattr(self._stream, name)

        def close(self):
            self._stream.close()
            raise vc.DriverError("the output cannot close")

    class Driver(VirtualDriver):
        def open_stream(self, request):
            stream = super().open_stream(request)
            opened.append(stream)
            return Broken(stream) if request.output_map else stream

    opened = []
    desk = Desk()
    driver = Driver([desk.mic, desk.speakers])
    stream = vc.Stream(lambda b: None, driver=driver, device=("mic", "speakers"))
    with pytest.raises(vc.DriverError, match="cannot close"):
        stream.close()
    assert [one._closed for one in opened] == [True, True]


def test_a_pair_of_one_device_is_that_device():
    driver = VirtualDriver()
    with vc.Stream(lambda b: None, driver=driver, device=("Virtual", None)) as stream:
        assert stream.device == driver.devices()[0]


@pytest.mark.parametrize(
    ("device", "error", "match"),
    [
        (("mic",), vc.ArgumentError, "the pair"),
        (("mic", "speakers", "mic"), vc.ArgumentError, "the pair"),
        (("nobody", "speakers"), vc.DeviceNotFoundError, "nobody"),
        (("speakers", "mic"), vc.DeviceNotFoundError, "input is needed"),
        ((3, "speakers"), vc.ArgumentTypeError, "int"),
    ],
)
def test_a_wrong_pair_is_refused(device, error, match):
    with pytest.raises(error, match=match):
        vc.Stream(lambda b: None, driver=Desk().driver, device=device)


def test_a_pair_is_refused_by_a_stream_of_one_direction():
    with pytest.raises(vc.ArgumentTypeError, match="Stream"):
        vc.OutputStream(lambda b: None, driver=Desk().driver, device=("mic", "speakers"))


def test_clocks_that_cannot_be_compared_are_refused():
    driver = VirtualDriver(
        [
            VirtualDevice("mic", output_channels=0, clock="free", loopback=False),
            VirtualDevice("speakers", input_channels=0, clock="free"),
        ]
    )
    with pytest.raises(vc.ArgumentError, match="clock"):
        vc.Stream(lambda b: None, driver=driver)
