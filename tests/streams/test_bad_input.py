"""Arguments that cannot work: the class of the error, the matching builtin, and the message."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from rig import Rig, until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import FileIsDirectoryError, FilePermissionError, FileTruncatedError
from voicecoil.files import FileSink
from voicecoil.streams.channel_map import channel_map

SOUND = np.zeros((100, 2), np.float32)
NAN, INF = float("nan"), float("inf")


def silence(block: vc.Block) -> None:
    pass


def driver() -> VirtualDriver:
    return VirtualDriver(
        [
            VirtualDevice("Left Speaker", clock="stepped"),
            VirtualDevice("Right Speaker", clock="stepped", input_channels=0),
            VirtualDevice("Microphone", clock="stepped", output_channels=0, input_channels=1),
        ]
    )


def out(*callback: Any, **options: Any) -> Any:
    vc.OutputStream(*(callback or (silence,)), **{"driver": driver(), **options}).close()


def duplex(**options: Any) -> Any:
    vc.Stream(silence, driver=driver(), **options).close()


def play(*arguments: Any, **options: Any) -> Any:
    return vc.play(*(arguments or (SOUND, 48_000)), **{"driver": driver(), **options})


def record(*arguments: Any, **options: Any) -> Any:
    return vc.record(*arguments, driver=driver(), **options)


def render(*code: Any, **options: Any) -> Any:
    return vc.render(*(code or (silence,)), **{"frames": 100, **options})


def clip(**options: Any) -> Any:
    return vc.render(vc.Clip(**{"sound": SOUND, **options}), frames=100)


Case = tuple[Callable[[], Any], type[Exception], type[Exception], str]
VALUE, TYPE = vc.ArgumentError, vc.ArgumentTypeError
CASES: dict[str, Case] = {}


def bad(name: str, call: Callable[[], Any], kind: type[Exception], says: str) -> None:
    builtin = {VALUE: ValueError, TYPE: TypeError, vc.DeviceNotFoundError: LookupError}[kind]
    assert name not in CASES
    CASES[name] = (call, kind, builtin, says)


for value in (0, -1, 999, 10**9, -48_000.0, NAN, INF):
    # Numbers out of range: the message states the given value and the possible ones.
    bad(f"samplerate {value}", lambda v=value: out(samplerate=v), VALUE, "1000 to 768000")
    bad(f"play samplerate {value}", lambda v=value: play(SOUND, v), VALUE, "1000 to 768000")
    bad(f"render samplerate {value}", lambda v=value: render(samplerate=v), VALUE, "1000 to 768000")
for value in ("48000", True, [48_000], 1j):
    bad(f"samplerate {value!r}", lambda v=value: out(samplerate=v), TYPE, "such as 48000")
bad("no samplerate for an array", lambda: play(SOUND), VALUE, "samplerate=48000")
bad("render without a rate", lambda: render(samplerate=None), TYPE, "such as 48000")
bad("an endless rate", lambda: out(samplerate=10**400), VALUE, "such as 48000")

for value in (0, -1, 3, 10**9):
    bad(f"channels {value}", lambda v=value: out(channels=v), VALUE, "so use 1 to 2")
for value in ("two", True, 2.0, NAN, {"left": 0}, [0, 1.5], [True]):
    bad(f"channels {value!r}", lambda v=value: out(channels=v), TYPE, "channels")
for value, fault in (
    ([], "is an empty list"),
    ([2], "has channel 2, which the device does not have"),
    ([-1], "has the negative channel -1"),
    ([0, 0], "has channel 0 twice"),
    ([0, 10**9], "has channel 1000000000, which the device does not have"),
):
    says = rf"{fault}\b.*; 'Left Speaker' has the output channels 0 to 1$"
    bad(f"channels {value}", lambda v=value: out(channels=v), VALUE, says)
bad("two readings", lambda: duplex(channels=[0, 1]), VALUE, "0 inputs and 1 output .* or the dev")
bad("one list", lambda: duplex(channels=[0]), VALUE, "input_channels or output_channels")
bad("both", lambda: duplex(channels=2, output_channels=1), VALUE, "=2 and output_channels=1")
bad("output list", lambda: duplex(output_channels=[2]), VALUE, r"output_channels=\[2\].*0 to 1")
bad("input text", lambda: duplex(input_channels="two"), TYPE, "input_channels='two'")
bad("play to a channel", lambda: play(channels=[2]), VALUE, "channels 0 to 1")
bad("play to a text", lambda: play(channels="two"), TYPE, "channels='two'")
bad("record a channel", lambda: record(channels=[2]), VALUE, "channels 0 to 1")
bad("render twice", lambda: render(channels=[1, 1]), VALUE, "each can be used once")
bad("render nothing", lambda: render(channels=[]), VALUE, "channels 0 to 0")
bad("render too high", lambda: render(channels=[1024]), VALUE, "1 to 1024")
for value in ("int24", "float64", np.float64, "", "x"):
    bad(f"dtype {value!r}", lambda v=value: out(dtype=v), VALUE, '"float32", "int16", "int32"')
for value in (None, 16, ["int16"]):
    bad(f"dtype {value!r}", lambda v=value: out(dtype=v), TYPE, '"float32", "int16", "int32"')
bad("lent int16", lambda: out(dtype="int16", zero_copy=True, latency="low"), VALUE, "is float32")
bad("three directions", lambda: duplex(channels=(1, 1, 1)), VALUE, r"pair \(input, output\)")
bad("one input too many", lambda: duplex(input_channels=3), VALUE, "has 2 input channels")
for value in (0, -1, 1025, 10**9):
    bad(f"render channels {value}", lambda v=value: render(channels=v), VALUE, "1 to 1024")
for value in ("two", True, None, 1.5):
    bad(f"render channels {value!r}", lambda v=value: render(channels=v), TYPE, "1 to 1024")

for value in (-1, 65_537, 10**9):
    bad(f"blocksize {value}", lambda v=value: out(blocksize=v), VALUE, "1 to 65536")
    bad(f"play blocksize {value}", lambda v=value: play(blocksize=v), VALUE, "1 to 65536")
for value in ("64", 64.0, True, NAN):
    bad(f"blocksize {value!r}", lambda v=value: out(blocksize=v), TYPE, "1 to 65536")
for value in (0, None):
    bad(f"render blocksize {value}", lambda v=value: render(blocksize=v), VALUE, "such as 512")

for value in (None, 5, "text", []):
    bad(f"callback {value!r}", lambda v=value: out(v), TYPE, "a function of one argument")
for value in (None, 5, "text", SOUND, {}):
    bad(f"render {value!r:.9}", lambda v=value: render(v), TYPE, "a function of one argument")
bad("render a list of functions", lambda: render([silence]), TYPE, "a sequence of them")

bad("a name", lambda: out("mysynth:tone"), TYPE, "isolated=True")
bad("no argument", lambda: out(lambda: None), TYPE, r"<lambda>\(\); .* one argument, the Block")
bad("two arguments", lambda: out(lambda a, b: None), TYPE, r"\(a, b\); .* one argument")

bad("latency None", lambda: out(latency=None), TYPE, '"safe", "low", or seconds')
bad("latency", lambda: out(latency="high"), VALUE, '"low"')
for value in ("", "x" * 65, "a\0b", "\ud800"):
    for call in (out, duplex, play, record):
        bad(
            f"{call.__name__} name {value!a}",
            lambda c=call, v=value: c(name=v),
            VALUE,
            "1 to 64 char",
        )
for value in (b"drums", 5, ["drums"]):
    bad(f"name {value!r}", lambda v=value: out(name=v), TYPE, "1 to 64 characters")
bad("connect", lambda: out(connect=False), VALUE, r"'Left Speaker'.*\bports\b.*miniaudio:jack")
bad("arrays", lambda: out(arrays="list"), VALUE, '"numpy" and "memoryview"')
bad("driver", lambda: out(driver="alsa"), VALUE, "possible are (?!.*simulated).*virtual")
if sys.platform == "linux":
    for value in ("pulse", "PulseAudio", "pipewire"):
        says = 'such as "miniaudio:pulse"$'
        bad(f"driver {value}", lambda v=value: out(driver=v), VALUE, says)
    says = '"miniaudio:pulse" or "miniaudio:jack"'
    bad("driver nope", lambda: out(driver="nope"), VALUE, says)
bad("no driver", lambda: out(driver=5), TYPE, "names are .*virtual")
bad("a driver that is none", lambda: vc.devices("nope"), VALUE, "no driver 'nope'")
bad("direction", lambda: vc.default_device("both"), VALUE, '"input" and "output"')  # type: ignore[arg-type]

for value in ("Nobody", "", "Microphone"):
    bad(f"device {value!r}", lambda v=value: out(device=v), vc.DeviceNotFoundError, "Left Speaker")
bad(
    "several devices",
    lambda: out(device="speaker"),
    vc.DeviceNotFoundError,
    "2 devices contain 'speaker'; give the uid",
)
bad(
    "the wrong way",
    lambda: record(device="Right Speaker"),
    vc.DeviceNotFoundError,
    "'Right Speaker' has 0 input and 2 output channels, and input is needed",
)
bad("device 5", lambda: play(device=5), TYPE, "a name, a part of one, a uid")
bad("device of an int", lambda: play(device=5), TYPE, "device=5 is an int;")
bad("two devices", lambda: out(device=("a", "b")), TYPE, "an InputStream and an OutputStream")
bad("no such input", lambda: record(device="Right"), vc.DeviceNotFoundError, "Microphone")

for value in ([1, 2, 3], None, 5, {}):
    bad(f"play {value!r}", lambda v=value: play(v, 48_000), TYPE, "NumPy array .* or the path")
bad("None as a sound", lambda: play(None, 48_000), TYPE, "^None is not a sound; give a NumPy")
bad("bytes as a sound", lambda: play(b"RIFF", 48_000), TYPE, "^bytes are not a sound; give a")
for value in ("2", None, True):
    for word in ("rate", "pan"):
        bad(
            f"{word} {value!r}",
            lambda w=word, v=value: play(SOUND, 48_000, **{w: v}),
            TYPE,
            f"^{word}={value!r} is a {type(value).__name__}; give ",
        )
bad("a long rate", lambda: play(SOUND, 48_000, rate=10**400), VALUE, "^rate=10.* give 0.01 to")
bad("play {} as a sound", lambda: play({}, 48_000), TYPE, "^a dict is not a sound")
bad(
    "play complex samples",
    lambda: play(np.zeros(9, complex), 48_000),
    TYPE,
    r"complex128, and complex samples are not a sound; give array\.real or abs\(array\)",
)
for rate in (48_000, 48e3, np.int64(48_000), np.float32(48_000)):
    for swapped in (SOUND, [0.0], "a.wav", Path("a.wav")):
        bad(
            f"play {type(rate).__name__} {type(swapped).__name__}",
            lambda r=rate, s=swapped: play(r, s),
            TYPE,
            r"^the sound is the number .*48000.* and .* rate is an? \w+; give the sound first",
        )
for dtype in (complex, bool, "int64", "U5", object):
    array = np.zeros(10, dtype)
    bad(f"play {dtype}", lambda a=array: play(a, 48_000), TYPE, "possible are float32")
for shape in ((0,), (0, 2), (10, 0), (2, 2, 2), (), (2, 5000)):
    array = np.zeros(shape, np.float32)
    bad(f"play shape {shape}", lambda a=array: play(a, 48_000), VALUE, "shape")
for value in (NAN, INF, 1e7, 1e39):
    bad(f"gain {value}", lambda v=value: play(gain=v), VALUE, "such as 0.5")
    bad(f"clip gain {value}", lambda v=value: clip(gain=v), VALUE, "such as 0.5")
for value in ("1", None, True, 1j):
    bad(f"gain {value!r}", lambda v=value: play(gain=v), TYPE, "such as 1.0")
for value in (-1, 10**15):
    bad(f"loops {value}", lambda v=value: play(loops=v), VALUE, "0 for ever")
    bad(f"clip loops {value}", lambda v=value: clip(loops=v), VALUE, "0 for ever")
    bad(f"clip start {value}", lambda v=value: clip(start_frame=v), VALUE, "0 or more")
for value in (1.5, "2", None, True):
    bad(f"loops {value!r}", lambda v=value: play(loops=v), TYPE, "0 for ever")
    bad(f"clip start {value!r}", lambda v=value: clip(start_frame=v), TYPE, "0 or more")
bad("clip rate", lambda: clip(samplerate=0), VALUE, "1000 to 768000")
bad("a clip of nothing", lambda: clip(sound=None), TYPE, "NumPy array")
bad("a short mapping", lambda: play(mapping=[0]), VALUE, "2 source channels")
bad("a far mapping", lambda: play(mapping=[0, 2]), VALUE, "0 to 1")
bad("a mapping of words", lambda: play(mapping=["l", "r"]), TYPE, "0 to 1")
bad("a mapping of NaN", lambda: play(mapping=[[NAN, 0], [0, 1]]), VALUE, "finite")

for value in (-1, 10**15):
    bad(f"render frames {value}", lambda v=value: render(frames=v), VALUE, "0 or more")
for value in (None, 1.5, "1", True):
    bad(f"render frames {value!r}", lambda v=value: render(frames=v), TYPE, "0 or more")
bad("more than memory", lambda: render(frames=10**12, channels=1024), VALUE, "shorter pieces")

for value in (0, -1, 10**15):
    bad(f"record frames {value}", lambda v=value: record(frames=v), VALUE, "1 or more")
bad("record too many", lambda: record(frames=10**15), VALUE, "at most 1099511627775$")
for value in (1.5, "1", True):
    bad(f"record frames {value!r}", lambda v=value: record(frames=v), TYPE, "1 or more")
for value in (0, -1.0, NAN, INF, 1e9):
    bad(f"duration {value}", lambda v=value: record(duration_s=v), VALUE, "more than 0")
bad("a number for a file", lambda: record(2), TYPE, "duration_s=2")
bad("duration 'long'", lambda: record(duration_s="long"), TYPE, "such as 1.5")
bad("frames and duration", lambda: record(frames=1, duration_s=1), VALUE, "give one of them")
bad("a subtype of nothing", lambda: record(subtype="PCM_16"), VALUE, "give a file")


@pytest.mark.parametrize("name", CASES)
def test_bad_arguments(name: str) -> None:
    call, kind, builtin, says = CASES[name]
    before = set(threading.enumerate())
    with pytest.raises(kind, match=says) as caught:
        call()
    assert isinstance(caught.value, vc.VoicecoilError)
    assert isinstance(caught.value, builtin)
    assert "\n" not in str(caught.value)
    # Waits, because an earlier test may have dropped a stream that a thread is now closing.
    until(lambda: {t.name for t in set(threading.enumerate()) - before} <= {"voicecoil control"})


def test_a_device_that_claims_too_many_channels_gives_as_many_as_a_stream_has() -> None:
    device = replace(driver().devices()[0], input_channels=2**32 - 1, output_channels=2**32 - 1)
    assert channel_map(None, device, "input", None) == list(range(1024))
    assert channel_map([2**32 - 2], device, "output", None) == [2**32 - 2]
    for channels in (1025, range(1025)):
        with pytest.raises(vc.ArgumentError, match="1024"):
            channel_map(channels, device, "output", None)


@pytest.mark.parametrize("value", [-1, NAN, -INF])
def test_bad_timeouts(rig: Rig, value: float) -> None:
    playback = rig.play(SOUND, 48_000)
    with rig.record() as take, vc.OutputStream(silence, driver=rig.driver) as stream:
        for wait in (playback.wait, take.wait, stream.wait):
            with pytest.raises(VALUE, match="0 or more, or None"):
                wait(value)  # type: ignore[operator]
            with pytest.raises(TYPE, match=r"such as 1\.5"):
                wait("long")  # type: ignore[operator]
        stream.abort()
    for fade_s in (value, INF, 1e9):
        with pytest.raises(VALUE, match="0 or more"):
            playback.stop(fade_s)
    with pytest.raises(TYPE, match=r"such as 1\.5"):
        playback.stop(None)  # type: ignore[arg-type]


def test_levels_need_a_meter(rig: Rig) -> None:
    with vc.OutputStream(silence, driver=rig.driver) as stream:
        with pytest.raises(vc.StreamStateError, match="meter=True"):
            stream.levels()
        stream.abort()


# ---- files -------------------------------------------------------------------------------------


def wav(path: Path) -> bytes:
    with FileSink(path, 48_000, 2) as sink:
        sink.write(np.zeros((1000, 2), np.float32))
    return path.read_bytes()


FILES: list[tuple[str, bytes | None, type[Exception], type[Exception], str]] = [
    ("missing.wav", None, vc.FileMissingError, FileNotFoundError, "No such file"),
    ("no/such/folder.wav", None, vc.FileMissingError, FileNotFoundError, "No such file"),
    ("empty.wav", b"", vc.FileFormatError, ValueError, "empty"),
    ("text.wav", b"words " * 100, vc.FileFormatError, ValueError, "not audio"),
    ("noise.mp3", bytes(range(256)) * 10, vc.FileFormatError, ValueError, "not audio"),
    ("short.wav", b"RIFF", vc.FileFormatError, ValueError, "not audio"),
]


@pytest.mark.parametrize(("name", "content", "kind", "builtin", "says"), FILES)
def test_bad_files(
    tmp_path: Path,
    name: str,
    content: bytes | None,
    kind: type[Exception],
    builtin: type[Exception],
    says: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for call in (lambda: play(path), lambda: play(str(path)), lambda: clip(sound=path)):
        with pytest.raises(kind, match=says) as caught:
            call()
        assert isinstance(caught.value, builtin)
        assert name in str(caught.value)


def test_a_directory_a_truncated_head_and_a_forbidden_file(tmp_path: Path) -> None:
    with pytest.raises(FileIsDirectoryError, match="it is a directory"):
        play(tmp_path)
    with pytest.raises(FileIsDirectoryError, match="directory"):
        folder = tmp_path / "a.wav"
        folder.mkdir()
        record(folder)
    path = tmp_path / "b.wav"
    data = wav(path)
    path.write_bytes(data[:-4000])
    with pytest.raises(FileTruncatedError, match="truncated"):
        clip(sound=path)
    path.chmod(0)
    if not _all_powerful(path):
        with pytest.raises(FilePermissionError, match="permissions"):
            play(path)


def _all_powerful(path: Path) -> bool:
    try:
        path.open("rb").close()
    except PermissionError:
        return False
    return True


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.txt"])
def test_a_file_of_no_known_kind_is_not_recorded(tmp_path: Path, name: str) -> None:
    with pytest.raises(vc.FileFormatError, match=r"Possible are .wav"):
        record(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_samplerate_for_a_file_that_has_another(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wav(path)
    with pytest.raises(VALUE, match="leave it out"):
        play(path, 44_100)


def test_the_error_for_a_wrong_keyword_names_the_called_class() -> None:
    with pytest.raises(TypeError, match=r"^OutputStream\.__init__\(\) got .* 'sample_rate'"):
        out(sample_rate=48_000)


class _Silent(VirtualDriver):
    def why_silent(self) -> str:
        return "PulseAudio: no server"


def test_a_driver_without_devices_says_why() -> None:
    for device in (None, "Speaker"):
        with pytest.raises(vc.DeviceNotFoundError, match=r"\(PulseAudio: no server\)$"):
            out(driver=_Silent([]), device=device)


@pytest.mark.parametrize("latency", ["safe", "low"])
def test_the_blocks_memory_is_filled_and_not_replaced(latency: Any) -> None:
    virtual = VirtualDevice(clock="stepped", frames=64)

    def callback(block: vc.Block) -> None:
        block.output += 0.5
        block.output = block.output * 2  # type: ignore[misc]

    stream = vc.OutputStream(callback, driver=VirtualDriver([virtual]), latency=latency)
    stream.start()
    with pytest.raises(AttributeError, match=r"fill it: block\.output\[:\] = "):
        virtual.step(1)
        stream.wait(5)
    assert "finished: AttributeError" in repr(stream)
    stream.close()
    assert "closed: AttributeError" in repr(stream)
