"""The package as it is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import voicecoil as vc


@pytest.mark.parametrize("first", ["OutputStream", "Playback", "Recording", "Clip", "devices"])
def test_a_public_name_is_never_a_submodule(first: str) -> None:
    """Whatever was used first: `import` puts submodules where names of the same spelling are."""
    program = (
        f"import voicecoil as vc; vc.{first}\n"
        "assert all(map(callable, (vc.play, vc.record, vc.render, vc.devices)))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_public_name_is_there() -> None:
    for name in vc.__all__:
        assert getattr(vc, name).__class__.__name__ != "module"
    assert set(vc.__all__) <= set(dir(vc))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vc.nothing  # noqa: B018


def test_importing_it_loads_neither_numpy_nor_the_compiled_core() -> None:
    program = (
        "import sys, voicecoil\n"
        "assert not {'numpy', 'voicecoil._core', 'soundfile'} & set(sys.modules), sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
