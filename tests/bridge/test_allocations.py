"""Blocks cost no allocation. The tests count calls of Python's allocators on the IO thread."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from coreaudio import simulator_path
from paths import LIVES

PROGRAM = LIVES / "allocations.py"
BLOCKS = 100_000


def allocations(blocks: int, work: str, shape: dict[str, Any], **wanted: Any) -> int:
    arguments = json.dumps([shape, wanted, blocks, work])
    done = subprocess.run(
        [sys.executable, str(PROGRAM), arguments], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("arrays", "zero_copy", "layout"),
    [
        ("numpy", False, "interleaved"),
        ("numpy", False, "planar"),
        ("numpy", True, "interleaved"),
        ("numpy", True, "planar"),
        ("memoryview", False, "interleaved"),
        ("memoryview", False, "planar"),
        # There is no planar case for memoryviews, because they need packed memory.
        ("memoryview", True, "interleaved"),
    ],
)
def test_none_for_100_000_blocks(arrays: str, zero_copy: bool, layout: str) -> None:
    found = allocations(
        BLOCKS, "read", {"layout": layout}, arrays=arrays, zero_copy=zero_copy, latency="low"
    )
    assert found == 0


@pytest.mark.parametrize("arrays", ["numpy", "memoryview"])
def test_none_ahead_of_the_device(arrays: str) -> None:
    assert allocations(BLOCKS // 5, "read", {}, arrays=arrays, latency="safe") == 0


@pytest.mark.parametrize("latency", ["low", "safe"])
@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8"])
def test_none_with_another_type_of_samples(dtype: str, latency: str) -> None:
    assert allocations(BLOCKS // 10, "read", {}, dtype=dtype, latency=latency) == 0


def test_none_for_a_bound_method() -> None:
    assert allocations(BLOCKS, "method", {}, latency="low") == 0


def test_none_when_the_device_changes_its_cycles_but_the_blocks_are_fixed() -> None:
    shape = {"pattern": [64, 32, 16, 64]}
    wanted = {"blocksize": 64, "arrays": "memoryview", "latency": "low"}
    assert allocations(BLOCKS // 10, "read", shape, **wanted) == 0


# Lengths of cycles on real devices: a device that resamples, PulseAudio (which requests as much as
# its buffer lacks), ALSA (which sometimes wakes up late), and a device with short cycles.
VARYING = [
    [300, 400],
    [441, 440, 441, 882, 439, 1763],
    [1024, 1024, 1023, 2048, 1, 1024],
    [257, 16, 333],
]


@pytest.mark.parametrize("arrays", ["numpy", "memoryview"])
@pytest.mark.parametrize("pattern", VARYING)
def test_none_when_cycles_vary(pattern: list[int], arrays: str) -> None:
    shape = {"pattern": pattern, "frames": max(pattern), "loopback": False}
    assert allocations(1000, "vary", shape, arrays=arrays, latency="low") == 0


@pytest.mark.parametrize(
    "wanted",
    [
        {"latency": "safe"},
        {"latency": "low", "dtype": "int16"},
        {"latency": "low", "zero_copy": True},
        {"latency": "low", "meter": True},
    ],
)
def test_none_when_cycles_vary_in_any_kind_of_stream(wanted: dict[str, Any]) -> None:
    shape = {"pattern": VARYING[1], "frames": max(VARYING[1]), "loopback": False}
    assert allocations(1000, "vary", shape, **wanted) == 0


@pytest.mark.parametrize("latency", ["low", "safe"])
@pytest.mark.parametrize("streams", ["2", "1,1", "2,2,8"])
def test_none_on_coreaudio(streams: str, latency: str) -> None:
    """The device has one interleaved buffer, planar buffers, or several interleaved ones."""
    shape = {"simulator": simulator_path(), "streams": streams}
    wanted = {"channels": 2, "latency": latency}
    assert allocations(BLOCKS // 10, "read", shape, **wanted) == 0
    assert allocations(BLOCKS // 10, "allocate", shape, **wanted) >= BLOCKS // 10


def test_the_counter_counts() -> None:
    """The callback makes a list in each block, which needs two allocations: list and items."""
    blocks = 10_000
    assert blocks <= allocations(blocks, "allocate", {}, latency="low") <= 2 * blocks + 100
