"""Opens mutated audio files with limited memory. Only errors of this library may be raised.

Arguments: the number of files and the first seed. The seed of a file that fails is printed, and the
same seed makes the same file again.
"""

from __future__ import annotations

import faulthandler
import io
import random
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import VoicecoilError
from voicecoil.files.convert import as_source, converted
from voicecoil.files.loop import LoopedSource
from voicecoil.sounds.mixing import close_outputs

MORE_BYTES = (
    512 * 2**20
)  # address space that the program may use in addition to that of the imports
DEADLINE_S = 60  # for one file; only a hang takes longer
READ_FRAMES = 150_000
MAX_SAMPLES = 2_000_000  # samples that are read from one source
KINDS = [
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "PCM_24"),
    ("WAV", "ULAW"),
    ("WAV", "MS_ADPCM"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("W64", "FLOAT"),
    ("AIFF", "PCM_16"),
    ("AIFF", "FLOAT"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("AU", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]
RATES = (0, 1, 2, 50, 99, 100, 101, 7999, 655_350, 1_536_000, 2**31 - 1, 2**32 - 1)
TEXTS = (
    "data : 9 (should be 1)\n",
    "\x1b[2J\x9b\u202e",
    "Xing",
    "OggS",
    "fLaC\0\0\0\x22",
    "é" * 999,
)


def originals() -> list[bytes]:
    """Returns short files of each format, with several numbers of channels and with text chunks."""
    made = []
    for number, (format, subtype) in enumerate(KINDS):
        for channels in (1, 2, 6):
            sound = np.random.default_rng(number).normal(0, 0.1, (4000, channels))
            memory = io.BytesIO()
            try:
                with soundfile.SoundFile(
                    memory, "w", 48_000, channels, subtype, format=format
                ) as file:
                    file.title = TEXTS[number % len(TEXTS)].replace("\0", "")
                    file.write(sound)
            except soundfile.SoundFileError:
                continue  # MP3 has at most two channels
            made.append(memory.getvalue())
    return made


def change_bytes(data: bytearray, chance: random.Random) -> None:
    """Changes a few bytes, most of them in the header."""
    for _ in range(chance.randint(1, 5)):
        end = len(data) if chance.random() < 0.3 else min(len(data), 256)
        data[chance.randrange(end)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def change_number(data: bytearray, chance: random.Random) -> None:
    """Writes an extreme number at a position at which a header may have a number."""
    at = chance.randrange(0, min(len(data) - 8, 200), 2)
    number = chance.choice((*RATES, len(data), len(data) - at, 2**16))
    data[at : at + 4] = struct.pack(chance.choice("<>") + "I", number % 2**32)


def change_rate(data: bytearray, chance: random.Random) -> None:
    """Changes the sample rate if its position in the format is known."""
    rate = chance.choice(RATES)
    if (at := data.find(b"fmt ")) >= 0:
        data[at + 12 : at + 16] = struct.pack("<I", rate)
        data[at + 10 : at + 12] = struct.pack("<H", chance.choice((0, 1, 2, 255, 1024, 65_535)))
    elif data[:4] == b"fLaC":
        packed = int.from_bytes(data[18:26], "big") & (1 << 44) - 1
        data[18:26] = (packed | (rate % 2**20) << 44).to_bytes(8, "big")
        if chance.random() < 0.5:
            data[21:26] = b"\xf0" + b"\xff" * 4  # a very large number of frames
    elif data[:4] == b"caff":
        data[20:28] = struct.pack(">d", chance.choice((*RATES, -1.0, 1e300, float("nan"))))
    elif (at := data.find(b"COMM")) >= 0:
        data[at + 16 : at + 26] = bytes(chance.randrange(256) for _ in range(10))
    elif (at := data.find(b"\x01vorbis")) >= 0:
        data[at + 11] = chance.choice((0, 1, 2, 255))
        data[at + 12 : at + 16] = struct.pack("<I", rate)


def cut(data: bytearray, chance: random.Random) -> None:
    """Removes the end of the file."""
    del data[chance.randrange(1, len(data)) :]


def join(data: bytearray, chance: random.Random) -> None:
    """Appends or prepends another file."""
    other = chance.choice(ORIGINALS)
    tag = b"ID3\x04\0\0" + bytes(chance.randrange(128) for _ in range(4))
    data += chance.choice((bytes(data), other, tag, bytes(300), other[: len(other) // 2]))
    if chance.random() < 0.2:
        data[:0] = chance.choice((tag, bytes(10), other[:100]))


def insert(data: bytearray, chance: random.Random) -> None:
    """Inserts identifiers of chunks and formats."""
    at = chance.randrange(min(len(data), 400))
    words = (b"OggS", b"Xing\0\0\0\x0f", b"VBRI", b"data", b"TAG", b"\xff\xfb\x90\x64", b"fLaC")
    data[at:at] = chance.choice(words) * chance.choice((1, 1, 1, 100))


CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    change_bytes,
    change_bytes,
    change_number,
    change_rate,
    change_rate,
    cut,
    join,
    insert,
)
ORIGINALS = originals()


def mutated(seed: int) -> bytes:
    chance = random.Random(seed)
    data = bytearray(chance.choice(ORIGINALS))
    for _ in range(chance.choice((1, 1, 2))):
        if len(data) > 16:
            chance.choice(CHANGES)(data, chance)
    return bytes(data)


def use(path: Path, chance: random.Random) -> int:
    """Reads a file as a player does and returns the number of frames that were read."""
    rate = chance.choice((48_000, 44_100, 1_000, 768_000))
    channels = chance.choice((1, 2, 8))
    source = as_source(path)
    try:
        assert 100 <= source.samplerate <= 1_536_000
        loops = chance.choice((1, 1, 0, 2))
        wanted = source if loops == 1 else LoopedSource(source, loops)
        ready = converted(wanted, rate, channels)
        frames = 0
        # With many channels or a far lower rate, a frame takes more work, so fewer frames are read.
        made_of = source.channels * max(1.0, source.samplerate / rate)
        most = max(1, min(READ_FRAMES, int(MAX_SAMPLES / made_of)))
        while frames < most:
            block = ready.read(min(most, chance.choice((100, 1000, 8192, 50_000))))
            assert block.dtype == np.float32
            assert block.shape[1] == channels
            if not len(block):
                break
            frames += len(block)
        if source.frames:
            source.seek(chance.randrange(source.frames + 1))
            source.read(1000)
    finally:
        source.close()
    return frames


def play(path: Path) -> None:
    device = VirtualDevice("Fuzz", clock="stepped", frames=512)
    playback = vc.play(path, driver=VirtualDriver([device]), loops=0)
    device.step(50)
    playback.stop(0)
    device.step(1)
    close_outputs()


def main(count: int, first: int) -> int:
    # The parent sets MALLOC_ARENA_MAX=1, because each arena reserves 64 MiB of address space.
    if sys.platform == "linux":
        import resource

        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MORE_BYTES,) * 2)
    failures, read, errors = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz"
        for seed in range(first, first + count):
            path.write_bytes(mutated(seed))
            faulthandler.dump_traceback_later(DEADLINE_S, exit=True)
            try:
                read += use(path, random.Random(seed)) > 0
                if seed % 10 == 0:
                    play(path)
            except VoicecoilError:
                errors += 1
                close_outputs()
            except BaseException as error:
                failures.append(f"seed {seed}: {type(error).__name__}: {error}")
                if len(failures) > 20:
                    break
            faulthandler.cancel_dump_traceback_later()
    print(f"{count} files: {read} gave sound, {errors} gave an error of this library")
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
