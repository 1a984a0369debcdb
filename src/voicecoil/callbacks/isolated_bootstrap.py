"""What runs in an isolated interpreter beside the user's module.

`voicecoil._core` cannot be loaded there, nor what needs it; `_block` and `errors` can. Nothing here
is called on the IO thread: all imports happen when the stream is opened.
"""

from __future__ import annotations

import importlib
import marshal

from voicecoil import _block
from voicecoil.callbacks.unsuitable import why_unsuitable
from voicecoil.errors import CallbackResultError, EscapedBlockError, Stop

TYPE_CHECKING = False  # as in voicecoil/__init__.py: an interpreter should be quick to make
if TYPE_CHECKING:
    from typing import Any

__all__ = ["describe", "enter"]

FRAMES = 30


def enter(wanted: dict[str, Any]) -> tuple[bytes, tuple[Any, ...] | None]:
    """Imports what is wanted: (nothing or why not, what the bridge needs or None)."""
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
    """What `isolated_code.c` takes."""
    if wanted is None:
        return None
    memories = [_memory(wanted["input"], True), _memory(wanted["output"], False)]
    block = _block.block(
        memories[0] and memoryview(memories[0]),
        memories[1] and memoryview(memories[1]),
        wanted["samplerate"],
        _side(wanted["parameters"], writes=False),
        _side(wanted["results"], writes=True),
    )
    types = (Stop, EscapedBlockError, CallbackResultError)
    return (found, block, *memories, wanted["zero_copy"], *types)


def _memory(shape: tuple[int, int] | None, readonly: bool) -> _block.BlockMemory | None:
    return None if shape is None else _block.memory(*shape, readonly)


def _side(wanted: tuple[Any, bytes, int] | None, writes: bool) -> _block.Values | None:
    if wanted is None:
        return None
    fields, first, mailbox = wanted
    return _block.values(fields, first, mailbox, writes, False)


def describe(error: BaseException) -> bytes:
    """An exception as (module and name of its class, last lines, traceback), marshalled."""
    import traceback  # long to load, and few need it

    kind = type(error)
    short = "".join(traceback.format_exception_only(error)).strip()
    # A recursion has thousands of frames; the innermost ones tell most.
    text = "".join(traceback.format_exception(error, limit=-FRAMES))
    return marshal.dumps((kind.__module__, kind.__name__, short, text))


def _refusal(why: str, error: BaseException, stack: list[str] | None = None) -> bytes:
    import traceback

    short = "".join(traceback.format_exception_only(error)).strip()
    text = "Traceback (most recent call last):\n" + "".join(stack) + short if stack else ""
    return marshal.dumps((why, short, text))


def _import_refusal(error: BaseException) -> bytes:
    """Tells of what it failed in the first place; NumPy, for one, wraps that in advice."""
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
