"""What ALSA's devices tell about their sound cards, from the files of Linux, and their rates.

The test machines have no sound card, so the files of the kernel and of udev are laid out as on
machines that have some.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voicecoil.drivers.miniaudio import library
from voicecoil.drivers.miniaudio.alsa_facts import facts_of
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver

CARDS = """\
 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xf7d10000 irq 33
 1 [USB            ]: USB-Audio - Scarlett 2i2 USB
                      Focusrite Scarlett 2i2 USB at usb-0000:00:14.0-1, high speed
 2 [Loopback       ]: Loopback - Loopback
                      Loopback 1
 3 [NVidia         ]: HDA-Intel - HDA NVidia
                      HDA NVidia at 0xf7080000 irq 17
10 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi
                      vc4-hdmi
"""
PCI = "sys/devices/pci0000:00"
# For each card: the folder of its device, its bus and its driver.
DEVICES = {
    0: (f"{PCI}/0000:00:1f.3", "pci", "snd_hda_intel"),
    1: (f"{PCI}/0000:00:14.0/usb1/1-1/1-1:1.0", "usb", "snd-usb-audio"),
    2: ("sys/devices/platform/snd_aloop.0", "platform", "snd_aloop"),
    3: (f"{PCI}/0000:00:01.0/0000:01:00.1", "pci", "snd_hda_intel"),
    10: ("sys/devices/platform/soc/3f902000.hdmi", "platform", "vc4_hdmi"),
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "proc/asound/cards", CARDS)
    for number, (folder, bus, driver) in DEVICES.items():
        device = tmp_path / folder
        card = device / "sound" / f"card{number}"
        card.mkdir(parents=True)
        (card / "device").symlink_to(f"../../../{device.name}")
        for kind, name, to in (
            ("subsystem", bus, tmp_path / "sys/bus" / bus),
            ("driver", driver, tmp_path / "sys/bus" / bus / "drivers" / driver),
        ):
            to.mkdir(parents=True, exist_ok=True)
            assert to.name == name
            (device / kind).symlink_to(to)
        listed = tmp_path / "sys/class/sound" / f"card{number}"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.symlink_to(card)
    usb = tmp_path / f"{PCI}/0000:00:14.0/usb1/1-1"
    write(usb / "manufacturer", "Focusrite\n")
    write(usb / "product", "Scarlett 2i2 USB\n")
    for number, part, name in ((0, 0, "ALC3246 Analog"), (3, 3, "HDMI 0"), (10, 0, "MAI PCM i2s")):
        info = f"card: {number}\ndevice: {part}\nstream: PLAYBACK\nid: {name}\nname: {name}\n"
        write(tmp_path / f"proc/asound/card{number}/pcm{part}p/info", info)
    database = (
        "I:1\nE:SOUND_INITIALIZED=1\nE:ID_VENDOR_FROM_DATABASE=Intel Corporation\nG:systemd\n"
    )
    write(tmp_path / "run/udev/data/+sound:card0", database)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="the files of Linux have colons in their names")
@pytest.mark.parametrize(
    ("pcm", "expected"),
    [
        ("hw:CARD=PCH,DEV=0", ("built in", "Intel Corporation", "HDA Intel PCH")),
        ("sysdefault:CARD=PCH", ("built in", "Intel Corporation", "HDA Intel PCH")),
        (":0,0", ("built in", "Intel Corporation", "HDA Intel PCH")),
        ("plughw:1", ("usb", "Focusrite", "Scarlett 2i2 USB")),
        ("front:CARD=USB,DEV=0", ("usb", "Focusrite", "Scarlett 2i2 USB")),
        ("hw:Loopback,1", ("virtual", None, "Loopback")),
        ("hdmi:CARD=NVidia,DEV=3", ("hdmi", None, "HDA NVidia")),
        ("hw:NVidia,7", ("pci", None, "HDA NVidia")),
        (":10,0", ("built in", None, "vc4-hdmi")),
    ],
)
def test_a_pcm_of_a_card(root: Path, pcm: str, expected: tuple[str | None, ...]) -> None:
    facts = facts_of(pcm, root)
    assert (facts["transport"], facts["manufacturer"], facts["model"]) == expected


@pytest.mark.parametrize("pcm", ["", "null", "pulse", "default", "hw:CARD=Gone,DEV=0", "hw:7,0"])
def test_a_pcm_without_a_card_has_no_facts(root: Path, pcm: str, tmp_path: Path) -> None:
    assert facts_of(pcm, root) == {}
    assert facts_of("hw:0,0", tmp_path / "a machine without sound") == {}


def test_files_that_cannot_be_read_leave_facts_open(tmp_path: Path) -> None:
    """A container may have the list of cards, and nothing else."""
    write(tmp_path / "proc/asound/cards", CARDS)
    facts = facts_of("hw:1,0", tmp_path)
    assert facts == {"transport": None, "manufacturer": None, "model": "Scarlett 2i2 USB"}


def test_a_device_has_the_rates_that_its_pcm_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    if library.alsa() is None or not Path("/usr/share/alsa/alsa.conf").exists():
        pytest.skip("NOT TESTED: the ALSA library is not installed")
    configuration = tmp_path / "asound.conf"
    configuration.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        'pcm.nothing { type null hint { show on description "Nothing" } }\n'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(configuration))
    device = next(one for one in MiniaudioDriver("alsa").devices() if one.uid == "alsa:nothing")
    assert device.samplerates is not None
    assert {44_100.0, 48_000.0, 96_000.0} <= set(device.samplerates)
    assert list(device.samplerates) == sorted(set(device.samplerates))
    assert (device.transport, device.input_latency_frames) == (None, None)
