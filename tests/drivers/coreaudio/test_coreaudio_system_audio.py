"""The sound of other programs on the simulated CoreAudio: process taps in private aggregates."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coreaudio import simulator_path
from rig import until
from voicecoil.drivers.coreaudio import objective_c, taps
from voicecoil.testing import SimulatedCoreAudio

DEVICES = (
    "uid=mic; name=Microphone; in=1; buffer=512; rate=48000; latency_in=30",
    "uid=speakers; name=Speakers; out=2; buffer=512; rate=48000; ppm=40",
    "uid=duplex; name=Interface; in=2; out=4; buffer=512; rate=48000; default=none",
)
MUSIC, HELPER, BROWSER = 4711, 4712, 4713
BUNDLES = {
    MUSIC: b"com.example.music",
    HELPER: b"com.example.music.helper",
    BROWSER: b"com.example.browser",
}
PROCESS = 15  # the stream in the codes of a process's samples


def play(world: SimulatedCoreAudio, pid: int) -> None:
    world.library.sim_add_process(pid, BUNDLES[pid])
    world.check(world.library.sim_process_io(pid, 0, world.device("speakers").id))


@pytest.fixture
def world() -> Iterator[SimulatedCoreAudio]:
    with SimulatedCoreAudio(simulator_path(), devices=DEVICES) as world:
        play(world, MUSIC)
        yield world


def decode(samples: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The fields of encoded samples: see the simulator's README."""
    bits = np.ascontiguousarray(samples, np.float32).view(np.uint32)
    code = (bits >> 31) << 29 | (126 - (bits >> 23 & 0xFF)) << 23 | bits & 0x7FFFFF
    return {
        "serial": code >> 26,
        "stream": code >> 22 & 15,
        "channel": code >> 18 & 15,
        "time": code & 0x3FFFF,
    }


def heard(
    world: SimulatedCoreAudio, device: Any, kind: Any = vc.InputStream, **options: Any
) -> NDArray[np.float32]:
    """The input of half a second, without the beginning."""
    blocks: list[NDArray[np.float32]] = []

    def keep(block: vc.Block) -> None:
        blocks.append(block.input.copy())

    with kind(keep, device=device, driver=world.driver, latency="low", **options) as stream:
        world.advance(0.5)
        stream.abort()
    return np.concatenate(blocks)[-9600:]


def is_sound_of(samples: NDArray[np.float32], pid: int, world: SimulatedCoreAudio) -> bool:
    found = decode(samples)
    wanted = world.library.sim_process_sample
    times = found["time"][:, 0]
    return bool(
        np.all(found["stream"] == PROCESS)
        and np.all(np.diff(times.astype(np.int64)) == 1)
        and all(samples[0, c] == np.float32(wanted(pid, c, int(times[0]))) for c in range(2))
    )


def test_everything(world: SimulatedCoreAudio) -> None:
    samples = heard(world, vc.SystemAudio())
    assert samples.shape[1] == 2
    assert is_sound_of(samples, MUSIC, world)


def test_one_application_with_its_helpers_and_not_by_its_number(world: SimulatedCoreAudio) -> None:
    play(world, BROWSER)
    assert is_sound_of(heard(world, vc.SystemAudio("com.example.browser")), BROWSER, world)
    assert is_sound_of(heard(world, vc.SystemAudio("com.example.music")), MUSIC, world)
    without = vc.SystemAudio(exclude=["com.example.music"])
    assert is_sound_of(heard(world, without), BROWSER, world)
    world.library.sim_process_sound(MUSIC, 1)
    play(world, HELPER)
    assert is_sound_of(heard(world, vc.SystemAudio("com.example.music")), HELPER, world)
    assert not np.any(heard(world, vc.SystemAudio("com.example")) == 0)  # both, as its helpers


@pytest.mark.parametrize("macos", [1500, 2600])
def test_a_program_that_starts_later(world: SimulatedCoreAudio, macos: int) -> None:
    """From macOS 26 on the tap follows the bundle, and before the driver follows the processes."""
    world.check(world.library.sim_set_macos(macos))
    blocks: list[NDArray[np.float32]] = []
    wanted = vc.SystemAudio("com.example.browser")
    with vc.InputStream(
        lambda block: blocks.append(block.input.copy()),
        device=wanted,
        driver=world.driver,
        latency="low",
    ) as stream:
        world.advance(0.2)
        assert not np.any(np.concatenate(blocks))
        play(world, BROWSER)

        def plays() -> bool:
            world.advance(0.05)
            return bool(np.any(blocks[-1]))

        until(plays)
        assert is_sound_of(blocks[-1], BROWSER, world)
        stream.abort()


def test_microphone_system_audio_and_output_on_one_time_line(world: SimulatedCoreAudio) -> None:
    """Each block has the frames of the microphone and of the programs of the same time."""
    microphone = world.device("mic").serial
    samples = heard(world, vc.SystemAudio(with_input=True), vc.Stream)
    found = decode(samples)
    assert samples.shape[1] == 3
    assert set(found["serial"][:, 0]) == {microphone}
    assert np.all(found["stream"] == [0, PROCESS, PROCESS])
    assert np.all(found["time"] == found["time"][:, :1])
    assert np.all(np.diff(found["time"][:, 0].astype(np.int64)) == 1)


def test_a_pair_with_an_output(world: SimulatedCoreAudio) -> None:
    """A pair of the sound of programs and an output is a stream on both."""
    samples = heard(world, (vc.SystemAudio(), "duplex"), vc.Stream)
    assert is_sound_of(samples, MUSIC, world)


def test_the_output_of_a_stream_reaches_its_device(world: SimulatedCoreAudio) -> None:
    """Channels of devices that the stream does not use are left alone."""
    played: list[float] = []

    def ramp(block: vc.Block) -> None:
        block.output[:] = [0.25, 0.5]
        played.append(float(np.max(block.input)))

    device = vc.SystemAudio(with_input="Microphone", with_output="duplex")
    with vc.Stream(
        ramp, device=device, driver=world.driver, latency="low", output_channels=[2, 3]
    ) as stream:
        aggregate = next(iter(world.driver._taps._open))
        assert stream.device.output_channels == 4
        world.advance(0.5)
        opens = world.counter("input_opens")
        stream.abort()
    assert opens == 1
    run = world.library.sim_run_count(aggregate) - 1
    levels = []
    for channel in range(4):
        samples = (ctypes.c_float * 100)()
        world.library.sim_capture_read(aggregate, run, 0, channel, 4096, 100, samples, None)
        levels.append(samples[50])
    assert levels == [0, 0, 0.25, 0.5]


@pytest.mark.parametrize(("mute", "running"), [("never", 1), ("always", 0), ("while recording", 0)])
def test_mute(world: SimulatedCoreAudio, mute: Any, running: int) -> None:
    audible = world.library.sim_process_is_audible
    with vc.InputStream(
        lambda block: None,
        device=vc.SystemAudio("com.example.music", mute=mute),
        driver=world.driver,
        latency="low",
    ) as stream:
        world.advance(0.1)
        assert audible(MUSIC) == running
        stream.abort()
    assert audible(MUSIC) == 1


def test_record(world: SimulatedCoreAudio) -> None:
    device = vc.SystemAudio(mono=True)
    recording = vc.record(frames=4800, device=device, driver=world.driver)
    until(lambda: world.advance(0.05) or not recording.recording)  # type: ignore[func-returns-value]
    samples = recording.wait(10)
    assert isinstance(samples, np.ndarray)
    assert len(samples) == 4800
    assert np.any(samples)


def test_own_sound(world: SimulatedCoreAudio) -> None:
    """This program's own sound is recorded only on request."""
    world.check(world.library.sim_process_io(MUSIC, 0, 0))

    def tone(block: vc.Block) -> None:
        block.output[:] = 0.25

    with vc.OutputStream(tone, driver=world.driver, device="speakers", latency="low"):
        world.advance(0.2)
        assert not np.any(heard(world, vc.SystemAudio()))
        own = heard(world, vc.SystemAudio(include_self=True))
    assert np.all(own == 0.25)


def test_zeros_are_judged(world: SimulatedCoreAudio) -> None:
    """Zeros while a program plays are missing consent. While nobody plays they are right."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        world.check(world.library.sim_process_io(MUSIC, 0, 0))
        with vc.InputStream(
            lambda block: None, device=vc.SystemAudio(), driver=world.driver, latency="low"
        ) as stream:

            def silent(seconds: float) -> None:
                frames = stream.statistics().frames + seconds * stream.samplerate
                until(lambda: world.advance(0.2) or stream.statistics().frames >= frames)  # type: ignore[func-returns-value]

            silent(3)
            connection = stream._connection
            until(lambda: connection is not None and connection.device.silence is not None)
            assert not caught
            world.check(world.library.sim_set_tap_consent(1))
            world.check(world.library.sim_process_io(MUSIC, 0, world.device("speakers").id))
            silent(2.5)
            until(lambda: world.advance(0.2) or caught)  # type: ignore[func-returns-value]
            stream.abort()
    text = str(caught[0].message)
    assert issubclass(caught[0].category, vc.SilentInputWarning)
    assert "com.example.music plays" in text
    assert "no consent to record the sound of other programs (System Settings" in text


def test_what_is_refused(world: SimulatedCoreAudio) -> None:
    for number in (4711, [4711]):
        with pytest.raises(vc.ArgumentTypeError, match="no process numbers"):
            vc.SystemAudio(number)  # type: ignore[arg-type]
    with pytest.raises(vc.ArgumentError, match="'Music' is no bundle ID"):
        vc.SystemAudio("Music")
    with pytest.raises(vc.ArgumentError, match="give one"):
        vc.SystemAudio("com.example.music", exclude="com.example.browser")
    with pytest.raises(vc.ArgumentError, match="while recording"):
        vc.SystemAudio(mute="sometimes")  # type: ignore[arg-type]
    with pytest.raises(vc.ArgumentError, match="an OutputStream plays"):
        vc.OutputStream(
            lambda block: None,
            device=vc.SystemAudio(),  # type: ignore[arg-type]
            driver=world.driver,
        )
    world.check(world.library.sim_set_macos(1400))
    with pytest.raises(vc.SystemAudioError, match=r"macOS 14\.2 or later.*BlackHole"):
        vc.InputStream(lambda block: None, device=vc.SystemAudio(), driver=world.driver)


def test_other_drivers_name_an_alternative() -> None:
    with pytest.raises(vc.SystemAudioError, match="Monitor of"):
        vc.InputStream(lambda block: None, device=vc.SystemAudio(), driver="virtual")


@pytest.mark.parametrize(
    "call", ["AudioHardwareCreateProcessTap", "AudioHardwareCreateAggregateDevice"]
)
def test_a_call_that_fails_leaves_nothing(world: SimulatedCoreAudio, call: str) -> None:
    world.fail_call(call, int.from_bytes(b"nope", "big"))
    with pytest.raises(vc.DriverError, match=call):
        vc.InputStream(lambda block: None, device=vc.SystemAudio(), driver=world.driver)
    assert world.counter("live_taps") == world.counter("live_aggregates") == 0


def test_own_aggregates_are_not_listed(world: SimulatedCoreAudio) -> None:
    with vc.InputStream(
        lambda block: None, device=vc.SystemAudio(), driver=world.driver, latency="low"
    ) as stream:
        world.advance(0.1)
        assert {d.uid for d in vc.devices(world.driver)} == {"mic", "speakers", "duplex"}
        stream.abort()
    assert world.counter("live_taps") == world.counter("live_aggregates") == 0


@pytest.mark.parametrize("seed", range(1, 7))
def test_every_variant_of_the_hal(seed: int) -> None:
    with SimulatedCoreAudio(
        simulator_path(),
        seed=seed,
        devices=DEVICES,
        switches={"start_block_ns": 0, "first_callback_delay_ns": 0, "tap_dead_process": 0},
    ) as world:
        play(world, MUSIC)
        blocks: list[NDArray[np.float32]] = []
        with vc.InputStream(
            lambda block: blocks.append(block.input.copy()),
            device=vc.SystemAudio(with_input="mic"),
            driver=world.driver,
            latency="low",
        ) as stream:
            until(lambda: world.advance(0.1) or sum(map(len, blocks)) > 9600)  # type: ignore[func-returns-value]
            stream.abort()
        found = decode(np.concatenate(blocks)[-4800:])
        assert set(found["stream"][:, 1]) == {PROCESS}
        assert np.all(found["time"] == found["time"][:, :1])


def test_each_signature_of_a_message(world: SimulatedCoreAudio) -> None:
    """Every message is sent as a function of its own type, and arrives as it was sent."""
    runtime = taps.runtime(world.driver.library.paths)
    send = runtime.send
    reads: dict[str, tuple[str, Any]] = {
        "setMuteBehavior:": ("isMuted", ctypes.c_long),
        "setPrivate:": ("isPrivate", ctypes.c_bool),
        "setProcessRestoreEnabled:": ("isProcessRestoreEnabled", ctypes.c_bool),
        "setName:": ("name", ctypes.c_void_p),
        "setProcesses:": ("processes", ctypes.c_void_p),
        "setBundleIDs:": ("bundleIDs", ctypes.c_void_p),
    }
    sent = {"alloc", "respondsToSelector:", "stringWithUTF8String:", "numberWithUnsignedInt:"}
    sent |= {"arrayWithObjects:count:", "dictionary", "setObject:forKey:", *reads}

    def read(receiver: int, selector: str, kind: Any) -> Any:
        registered = runtime.function("sel_registerName", ctypes.c_void_p, ctypes.c_char_p)(
            selector.encode()
        )
        function = runtime.function("objc_msgSend", kind, ctypes.c_void_p, ctypes.c_void_p)
        return function(receiver, registered)

    with runtime.pool():
        number = runtime.number(4_000_000_000)
        assert read(number, "unsignedIntValue", ctypes.c_uint32) == 4_000_000_000
        one = runtime.string("Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n")
        assert read(one, "length", ctypes.c_ulong) == 4
        numbers = runtime.array([number, number])
        assert read(numbers, "count", ctypes.c_ulong) == 2
        assert read(runtime.dictionary({"key": one}), "count", ctypes.c_ulong) == 1
        for name in [name for name in objective_c.SIGNATURES if name.startswith("init")]:
            sent.add(name)
            made = send(send(runtime.class_named("CATapDescription"), "alloc"), name, numbers)
            assert read(made, "isMono", ctypes.c_bool) == ("Mono" in name)
            assert read(made, "isExclusive", ctypes.c_bool) == ("Exclude" in name)
            for setter, value in {
                "setMuteBehavior:": 2,
                "setPrivate:": True,
                "setProcessRestoreEnabled:": True,
            }.items():
                send(made, setter, value)
                assert read(made, *reads[setter]) == value
            send(made, "setName:", one)
            send(made, "setProcesses:", runtime.array([number]))
            send(made, "setBundleIDs:", runtime.array([one, one]))
            assert read(read(made, *reads["setName:"]), "length", ctypes.c_ulong) == 4
            assert read(read(made, *reads["setProcesses:"]), "count", ctypes.c_ulong) == 1
            assert read(read(made, *reads["setBundleIDs:"]), "count", ctypes.c_ulong) == 2
            assert runtime.responds(made, "setBundleIDs:")
            assert not runtime.responds(made, "nothing")
            runtime.release(made)
    assert sent == set(objective_c.SIGNATURES)
