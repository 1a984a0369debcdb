"""The table of properties, its Python names, its stub, and the enumerations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from paths import ROOT
from voicecoil import hal
from voicecoil.hal import table
from voicecoil.hal.codec import CF_TYPES, ITEM_BYTES

ABI = json.loads((ROOT / "tools" / "coreaudio" / "abi.json").read_text())["constants"]
PREFIXES = {
    "TransportType": "kAudioDeviceTransportType",
    "TerminalType": "kAudioStreamTerminalType",
    "PowerHint": "kAudioHardwarePowerHint",
    "FormatFlags": "kAudioFormatFlagIs",
    "TransferFunction": "kAudioLevelControlTranferFunction",
    "Scope": "kAudioObjectPropertyScope",
}


def test_the_generated_files_are_those_of_the_table() -> None:
    for program in ("generate.py", "hal_stubs.py"):
        command = [sys.executable, str(ROOT / "tools" / "coreaudio" / program), "--check"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", table.classes())
def test_each_class_has_each_name_and_selector_once(name: str) -> None:
    rows = table.rows_of(name)
    assert [one for one, count in Counter(row.name for row in rows).items() if count > 1] == []
    assert {row.selector for row in rows} >= {"clas", "lnam", "stdv"}


def test_each_row_has_a_docstring_and_a_type_that_can_be_read() -> None:
    for row in table.rows():
        assert row.doc[0].isupper(), row
        assert not row.doc.endswith("."), row
        assert row.type in {*ITEM_BYTES, *CF_TYPES, "translation"}, row
        assert row.unit or row.type not in ("f32", "f64"), row
        if row.type in ("id", "id[]") and not row.acts:
            assert row.objects in table.classes(), row


@pytest.mark.parametrize("name", PREFIXES)
def test_an_enumeration_has_the_values_of_the_headers(name: str) -> None:
    prefix = PREFIXES[name]
    values = {
        row["value"]
        for constant, row in ABI.items()
        if constant.startswith(prefix) and row.get("fourcc") != "****"
    }
    assert {int(one) for one in getattr(hal, name)} == values


def test_drift_qualities_are_those_of_the_headers() -> None:
    for quality in hal.DriftQuality:
        constant = f"kAudioAggregateDriftCompensation{quality.name.title()}Quality"
        assert ABI[constant]["value"] == quality


def test_an_unknown_value_of_an_enumeration_keeps_its_characters() -> None:
    kind = hal.TransportType(int.from_bytes(b"newt", "big"))
    assert kind.name == "'newt'"
    assert kind == int.from_bytes(b"newt", "big")


def test_the_objects_of_the_table_have_their_attributes() -> None:
    assert hal.Device.nominal_sample_rate.__doc__ == (
        "The rate at which the device should run, Hz. The selector is 'nsrt'."
    )
    assert "macOS 14.2 and later" in str(hal.Process.is_running_input.__doc__)
