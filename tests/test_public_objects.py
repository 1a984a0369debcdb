"""Public objects refuse misspelt attributes. Those with a device or a file cannot be copied."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from voicecoil.callbacks.native import ctypes_type
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.files.arrays import ArraySource
from voicecoil.files.convert import converted
from voicecoil.files.sink import FileSink
from voicecoil.files.source import FileSource
from voicecoil.statistics import Histogram


class Some:
    """Makes one public object of each kind."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.path = folder / "sound.wav"
        self.device = VirtualDevice("Some", clock="stepped", frames=64)
        self.driver = VirtualDriver([self.device])
        self._closing = closing
        with FileSink(self.path, 48_000, 1) as sink:
            sink.write(np.zeros((480, 1), np.float32))

    def kept(self, thing: Any) -> Any:
        self._closing.callback(thing.close)
        return thing

    def opened(self, kind: Any = vc.OutputStream, **options: Any) -> Any:
        return self.kept(kind(lambda block: None, driver=self.driver, **options))

    def recording(self) -> Any:
        taken = vc.record(duration_s=1.0, driver=self.driver)
        self._closing.callback(taken.stop)
        return taken

    def measurement(self) -> Any:
        made = vc.playrec(SOUND, 48_000, input_channels=1, driver=self.driver)
        self._closing.callback(made.stop)
        return made

    def block(self, what: Callable[[vc.Block], Any]) -> Any:
        seen: list[Any] = []
        with vc.OutputStream(lambda block: seen.append(what(block)), driver=self.driver) as stream:
            self.device.step(1)
            stream.abort()
        return seen[0]


SOUND = np.zeros(64, np.float32)
# Objects that cannot be copied.
UNIQUE: dict[str, Callable[[Some], Any]] = {
    "OutputStream": lambda some: some.opened(),
    "InputStream": lambda some: some.opened(vc.InputStream),
    "Stream": lambda some: some.opened(vc.Stream),
    "Playback": lambda some: vc.play(SOUND, 48_000, driver=some.driver),
    "Player": lambda some: some.kept(vc.Player(driver=some.driver)),
    "Mixer": lambda some: some.kept(vc.Mixer(driver=some.driver)),
    "MixerGroup": lambda some: some.kept(vc.Mixer(driver=some.driver)).group(),
    "MixerVoice": lambda some: some.kept(vc.Mixer(driver=some.driver)).play(SOUND),
    "Sound": lambda some: vc.Sound(SOUND, 48_000),
    "Recording": lambda some: some.recording(),
    "Recorder": lambda some: some.kept(vc.Recorder(driver=some.driver)),
    "Measurement": lambda some: some.measurement(),
    "NativeCallback": lambda some: vc.NativeCallback(ctypes_type()(lambda *arguments: 0)),
    "FileSource": lambda some: some.kept(FileSource(some.path)),
    "FileSink": lambda some: some.kept(FileSink(some.path.with_suffix(".flac"), 48_000, 1)),
    "ArraySource": lambda some: ArraySource(SOUND, 48_000),
    "ConvertedSource": lambda some: converted(ArraySource(SOUND, 48_000), 44_100, 2),
    "VirtualDevice": lambda some: some.device,
    "VirtualDriver": lambda some: some.driver,
    "MiniaudioDriver": lambda some: MiniaudioDriver(),
    "Values": lambda some: some.opened(parameters={"gain": 0.5}).parameters,
    "Block": lambda some: some.block(lambda block: block),
    "BlockTime": lambda some: some.block(lambda block: block.time),
    "DeviceWatch": lambda some: some.kept(vc.watch(some.driver)),
}
PLAIN: dict[str, Callable[[Some], Any]] = {
    "Device": lambda some: some.driver.devices()[0],
    "DeviceChange": lambda some: vc.DeviceChange("added", None, some.driver.devices()[0]),
    "Latency": lambda some: some.opened().latency,
    "Level": lambda some: some.opened(meter=True).levels()[0],
    "Event": lambda some: vc.Event("xrun", 0, 0, 0),
    "Mark": lambda some: vc.Mark("word", 0, True, 0),
    "Clip": lambda some: vc.Clip(SOUND),
    "Statistics": lambda some: some.opened().statistics(),
    "Histogram": lambda some: Histogram(),
    "Loss": lambda some: vc.Loss(480, 64, "device"),
    "Setting": lambda some: some.opened().settings["latency"],
    "Settings": lambda some: some.opened(name="Some").settings,
    "RecordedTime": lambda some: vc.RecordedTime(5, 480),
    "RecordedBlock": lambda some: vc.RecordedBlock(SOUND, vc.RecordedTime(5, 480), 0),
    "SystemAudio": lambda some: vc.SystemAudio(),
    "ThreadPriority": lambda some: vc.ThreadPriority("fifo", 2, ""),
}


@pytest.fixture
def some(tmp_path: Path) -> Iterator[Some]:
    with ExitStack() as closing:
        yield Some(tmp_path, closing)


@pytest.mark.parametrize("name", [*UNIQUE, *PLAIN])
def test_a_misspelt_attribute_is_an_error(name: str, some: Some) -> None:
    """Before the fix, a misspelt attribute was accepted and had no effect."""
    thing = {**UNIQUE, **PLAIN}[name](some)
    with pytest.raises(AttributeError, match="gian"):
        thing.gian = 0.5
    with pytest.raises(AttributeError):
        thing.gian  # noqa: B018
    assert not hasattr(thing, "gian")


@pytest.mark.parametrize("name", UNIQUE)
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_objects_with_a_device_or_a_file_cannot_be_copied(
    name: str, how: Callable[[Any], Any], some: Some
) -> None:
    """Before the fix, a copy of a stream had the same connection. When the copy was dropped, the
    stream ended.
    """
    with pytest.raises(TypeError, match=r"copied|pickle"):
        how(UNIQUE[name](some))


@pytest.mark.parametrize("name", PLAIN)
def test_value_objects_can_be_pickled(name: str, some: Some) -> None:
    thing = PLAIN[name](some)
    there = pickle.loads(pickle.dumps(thing))
    assert type(there) is type(thing)
    assert repr(there) == repr(thing) or name == "Histogram"


def test_every_public_class_is_looked_at() -> None:
    classes = {name for name in vc.__all__ if isinstance(getattr(vc, name), type)}
    errors = {name for name in classes if issubclass(getattr(vc, name), BaseException)}
    assert classes - errors <= {*UNIQUE, *PLAIN}


@pytest.mark.parametrize("name", ["world", "driver", "device"])
def test_the_simulated_coreaudio(name: str, coreaudio: Any) -> None:
    world = coreaudio(devices=["uid=some; in=2; out=2; rates=48000"])
    thing = {"world": world, "driver": world.driver, "device": world.device("some")}[name]
    with pytest.raises(AttributeError, match="gian"):
        thing.gian = 0.5
    with pytest.raises(TypeError, match="copied"):
        copy.copy(thing)


def test_a_subclass_can_have_any_attribute(some: Some) -> None:
    class Synth(vc.OutputStream):
        def __init__(self) -> None:
            super().__init__(self.play, driver=some.driver)
            self.phase = 0

        def play(self, block: vc.Block) -> None:
            self.phase += block.frames

    with Synth() as synth:
        some.device.step(2)
        synth.abort()
    assert synth.phase == 128
