"""The consent to use the microphone on macOS. Without it, every recording has only zeros."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence

from voicecoil.doctor.finding import Finding, Subject, Verdict
from voicecoil.drivers.coreaudio.objective_c import LIBRARIES, ObjectiveC
from voicecoil.errors import VoicecoilError
from voicecoil.streams.silence_causes import possible_causes

__all__ = ["FRAMEWORKS", "consent", "microphone_consent"]

FRAMEWORKS = (*LIBRARIES, "/System/Library/Frameworks/AVFoundation.framework/AVFoundation")
STATUSES = ("not asked", "restricted", "denied", "granted")  # AVAuthorizationStatus
VERDICTS: dict[str, Verdict] = {"granted": "ok", "restricted": "warning", "denied": "warning"}
METHOD = "authorizationStatusForMediaType:"  # macOS 10.14


def microphone_consent(paths: Sequence[str] = FRAMEWORKS) -> str | None:
    """Return the consent that macOS has noted for this program. Never asks the user.

    Parameters
    ----------
    paths : sequence of str
        The libraries of Objective-C, and AVFoundation as the last one.

    Returns
    -------
    str or None
        One of `STATUSES`; None: this macOS asks for no consent.
    """
    runtime = ObjectiveC(paths)
    with runtime.pool():
        device = runtime.class_named("AVCaptureDevice")
        pointer = ctypes.c_void_p
        method = runtime.function("sel_registerName", pointer, ctypes.c_char_p)(METHOD.encode())
        if not runtime.send(device, "respondsToSelector:", method):
            return None
        # AVFoundation raises an exception, which would end the program, for any other media type.
        audio = pointer.in_dll(ctypes.CDLL(paths[-1]), "AVMediaTypeAudio")
        send = runtime.function("objc_msgSend", ctypes.c_long, pointer, pointer, pointer)
        status = int(send(device, method, audio))
    return STATUSES[status] if 0 <= status < len(STATUSES) else f"status {status}"


def consent(subject: Subject, paths: Sequence[str] = FRAMEWORKS) -> list[Finding]:
    """Return a finding if the devices that are tested are those of a Mac.

    Parameters
    ----------
    subject : Subject
    paths : sequence of str
        As for `microphone_consent`.
    """
    if sys.platform != "darwin" or subject.driver.name != "coreaudio":
        return []
    return [judge(subject, paths)]


def judge(subject: Subject, paths: Sequence[str]) -> Finding:
    """Return the consent as a finding."""
    from voicecoil.hal.connection import connection_with

    test = "consent"
    try:
        # The answer comes from another process, so this is done with a deadline.
        found = connection_with(subject.driver).call(
            "reading the consent to use the microphone", lambda: microphone_consent(paths)
        )
    except (VoicecoilError, ValueError) as error:  # ValueError: AVFoundation lacks the media type
        return Finding(test, "skipped", f"it cannot be read: {error}")
    if found is None:
        return Finding(test, "ok", "this macOS needs no consent to use the microphone")
    text = f"to use the microphone: {found}"
    if found in ("denied", "restricted"):
        text += f"; {possible_causes('coreaudio')[0]}"
    return Finding(test, VERDICTS.get(found, "skipped"), text, {"consent": found})
