"""Code of voicecoil that runs in an isolated interpreter beside the user's module.

An isolated interpreter can load `_block` and `errors`, but not `voicecoil._core` or a module that
imports it. Nothing here is called on the IO thread, because all imports happen when the stream is
opened.
"""

from __future__ import annotations

import importlib
import marshal

from voicecoil import _block
from voicecoil.callbacks.unsuitable import why_unsuitable
from voicecoil.errors import CallbackResultError, EscapedBlockError, Stop

TYPE_CHECKING = False  # importing `typing` would make each interpreter slower to create
if TYPE_CHECKING:
    from typing import Any

__all__ = ["describe", "enter"]

FRAMES = 30


def enter(wanted: dict[str, Any]) -> tuple[bytes, tuple[Any, ...] | None]:
    """Import the wanted callable.

    Returns
    -------
    bytes
        Marshalled None, or the marshalled reason why the callable cannot be used.
    tuple or None
        The objects that the bridge needs; None if the callable cannot be used.
    """
    module, name = wanted["callable"].split(":")
    try:
        found: Any = importlib.import_module(module)
    except BaseException as error:
        return _import_refusal(error), None
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        return _refusal("name", error), None
    if not callable(found):
        return _refusal("kind", TypeError(f"it is {found!r}")), None
    if (why := why_unsuitable(found)) is not None:
        return _refusal("kind", TypeError(f"it is {why}")), None
    return marshal.dumps(None), _parts_of_stream(found, wanted["stream"]) or (found,)


def _parts_of_stream(found: Any, wanted: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """Return the objects that `isolated_code.c` expects for a stream; None for a gate."""
    if wanted is None:
        return None
    memories = [
        _memory(wanted["input"], True, wanted["format"]),
        _memory(wanted["output"], False, wanted["format"]),
    ]
    block = _block.block(
        memories[0] and memoryview(memories[0]),
        memories[1] and memoryview(memories[1]),
        wanted["samplerate"],
        _side(wanted["parameters"], writes=False),
        _side(wanted["results"], writes=True),
    )
    types = (Stop, EscapedBlockError, CallbackResultError)
    return (found, block, *memories, wanted["zero_copy"], *types)


def _memory(
    shape: tuple[int, int] | None, readonly: bool, sample_format: int
) -> _block.BlockMemory | None:
    return None if shape is None else _block.memory(*shape, readonly, sample_format)


def _side(wanted: tuple[Any, bytes, int] | None, writes: bool) -> _block.Values | None:
    if wanted is None:
        return None
    fields, first, mailbox = wanted
    return _block.values(fields, first, mailbox, writes, False)


def describe(error: BaseException) -> bytes:
    """Return an exception as marshalled (class's module, class's name, last lines, traceback)."""
    import traceback  # imported here, because it is slow to load and rarely needed

    kind = type(error)
    short = "".join(traceback.format_exception_only(error)).strip()
    # An endless recursion has thousands of frames. The innermost frames are the most useful.
    text = "".join(traceback.format_exception(error, limit=-FRAMES))
    return marshal.dumps((kind.__module__, kind.__name__, short, text))


def _refusal(why: str, error: BaseException, stack: list[str] | None = None) -> bytes:
    import traceback

    short = "".join(traceback.format_exception_only(error)).strip()
    text = "Traceback (most recent call last):\n" + "".join(stack) + short if stack else ""
    return marshal.dumps((why, short, text))


def _import_refusal(error: BaseException) -> bytes:
    """Describe the first cause of a failed import.

    Some packages, such as NumPy, wrap that cause in another exception with general advice.
    """
    import traceback

    stack: list[str] = []
    while True:
        frames = traceback.extract_tb(error.__traceback__)
        shown = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
        stack += traceback.format_list(shown)
        cause = error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    missing = isinstance(error, ModuleNotFoundError)
    return _refusal("missing" if missing else "import", error, stack)
