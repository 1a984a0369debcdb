"""Callables for isolated interpreters. They use neither NumPy nor modules that need it."""

from __future__ import annotations

import sys
import threading
from typing import Any

import voicecoil as vc

CHANNELS = 8  # as in coded.py
SCALE = 2.0**-20

frame = 0
blocks = 0
keeper = threading.get_ident()
kept: list[Any] = []
imported_on_io_thread: list[str] = []


class Finder:
    """Records the names of modules. Python calls this finder for every module that is not loaded
    yet.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if threading.get_ident() != keeper:
            imported_on_io_thread.append(name)


sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]


def coded(block: vc.Block) -> None:
    """Plays coded frames and counts wrong input frames. The input must be the output, delayed by
    the number of frames in the parameter `delay`.
    """
    global frame
    channels = block.output.shape[1]
    for f in range(block.frames):
        for c in range(channels):
            block.output[f, c] = ((frame + f) * CHANNELS + c + 1) * SCALE
    if block.input is not None:
        first = frame - block.parameters.delay
        for f in range(block.frames):
            wanted = ((first + f) * CHANNELS + 1) * SCALE if first + f >= 0 else 0.0
            if block.input[f, 0] != wanted:
                block.results.wrong += 1
    frame += block.frames


def number(index: int) -> float:
    """As `number` in native.c."""
    return (index % 30_000 + 1) * (1 - 2 * (index % 2)) / 32_768


def numbers(block: vc.Block) -> None:
    """As `vc_test_numbers` in native.c."""
    global frame
    results, channels = block.results, block.output.shape[1]
    heard = results.heard
    for f in range(block.frames):
        for c in range(channels):
            block.output[f, c] = number((frame + f) * channels + c)
        if heard or block.input[f, 0] != 0.0:
            for c in range(block.input.shape[1]):
                if block.input[f, c] != number(heard * channels + c):
                    results.wrong += 1
            heard += 1
    frame += block.frames
    results.frames, results.heard = frame, heard


def facts(block: vc.Block) -> None:
    view = block.output
    text = f"{type(view).__name__} {view.format} {view.shape} {view.readonly}"
    text += f" {block.input.readonly} {block.samplerate} {block.frames} {block.xrun}"
    text += f" {block.time.output_frames} {block!r} {'numpy' in sys.modules}"
    block.results.text = text.encode()


def half(block: vc.Block) -> None:
    block.output[block.frames - 1, 0] = 0.5


def count(block: vc.Block) -> None:
    global blocks
    blocks += 1
    block.results.blocks = blocks


def scaled(block: vc.Block) -> None:
    block.output[0, 0] = block.parameters.gain


def compare(block: vc.Block) -> None:
    """Counts blocks in which two parameters that are always set together do not fit. Sets two
    results together.
    """
    values = block.parameters
    if values.first != values.second or values.text != b"%d" % values.first:
        block.results.torn += 1
    block.results.first = values.first
    block.results.second = values.first


def stop_after_three(block: vc.Block) -> None:
    count(block)
    if blocks == 3:
        raise vc.Stop


def deeper(block: vc.Block) -> None:
    raise ValueError("meant: \N{SNOWMAN}")


def fails(block: vc.Block) -> None:
    deeper(block)


def returns(block: vc.Block) -> Any:
    return [1, 2]


def keeps(block: vc.Block) -> None:
    kept.append(block.output)


def recurses(block: vc.Block) -> None:
    recurses(block)


def ends_itself(block: vc.Block) -> None:
    raise SystemExit(5)


def reads(block: vc.Block) -> None:
    """Reads every property of a block whose getter must not allocate."""
    if block.parameters.gain != 0.5 or block.parameters.on is not True:
        raise AssertionError(repr(block))
    if block.xrun or block.frames != 64 or block.samplerate != 48_000.0:
        raise AssertionError(repr(block))
    block.results.on = True


def allocates(block: vc.Block) -> None:
    kept[:] = [[block.frames]]


def starts_a_thread(block: vc.Block) -> None:
    threading.Thread(target=print).start()


def imports(block: vc.Block) -> None:
    """Uses every part of a block and reports the modules that the IO thread has imported."""
    repr(block), repr(block.time), repr(block.parameters), repr(block.results)
    block.results.imported = ",".join(imported_on_io_thread).encode()
    if block.parameters.fail:
        raise KeyError("meant")


class Instrument:
    def play(self, block: vc.Block) -> None:
        count(block)


instrument = Instrument()
no_function = 3


async def coroutine(block: vc.Block) -> None: ...


def generator(block: vc.Block) -> Any:
    yield


def half_of_int16(block: vc.Block) -> None:
    views = (block.input, block.output)
    text = " ".join([*(view.format for view in views), str(block.output.itemsize)])
    block.results.format = text.encode()
    for frame in range(block.frames):
        for channel in range(block.output.shape[1]):
            block.output[frame, channel] = 16_384


def nothing(block: vc.Block) -> None:
    pass
