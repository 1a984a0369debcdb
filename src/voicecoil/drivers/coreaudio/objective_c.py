"""Messages to Objective-C objects, which CoreAudio needs for process taps only.

On arm64, `objc_msgSend` must be called as a function of the method's own type, because variadic
functions get their arguments in another way. So each selector has a signature in `SIGNATURES`, and
a message with another one cannot be sent. All symbols are looked up at run time.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from voicecoil.errors import DriverError

__all__ = ["LIBRARIES", "SIGNATURES", "ObjectiveC"]

LIBRARIES = (
    "/usr/lib/libobjc.A.dylib",
    "/System/Library/Frameworks/Foundation.framework/Foundation",
)
_id, _text, _u32, _unsigned = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_ulong
_integer, _bool = ctypes.c_long, ctypes.c_bool  # a BOOL is one byte on both architectures

# Selector -> type of the result, types of the arguments.
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "alloc": (_id, ()),
    "respondsToSelector:": (_bool, (_id,)),
    "stringWithUTF8String:": (_id, (_text,)),
    "numberWithUnsignedInt:": (_id, (_u32,)),
    "arrayWithObjects:count:": (_id, (ctypes.POINTER(_id), _unsigned)),
    "dictionary": (_id, ()),
    "setObject:forKey:": (None, (_id, _id)),
    "initStereoMixdownOfProcesses:": (_id, (_id,)),
    "initMonoMixdownOfProcesses:": (_id, (_id,)),
    "initStereoGlobalTapButExcludeProcesses:": (_id, (_id,)),
    "initMonoGlobalTapButExcludeProcesses:": (_id, (_id,)),
    "setName:": (None, (_id,)),
    "setPrivate:": (None, (_bool,)),
    "setMuteBehavior:": (None, (_integer,)),
    "setProcesses:": (None, (_id,)),
    "setBundleIDs:": (None, (_id,)),
    "setProcessRestoreEnabled:": (None, (_bool,)),
}


class ObjectiveC:
    """The runtime of Objective-C, and the few classes that are needed.

    Parameters
    ----------
    paths : sequence of str
        The libraries that have it.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        try:
            self._libraries = [ctypes.CDLL(path) for path in paths]
        except OSError as error:
            raise DriverError(
                f"Objective-C, which the recording of system audio needs, cannot be loaded: "
                f"{error}",
                call="dlopen",
            ) from error

    def function(self, name: str, result: Any, *types: Any) -> Any:
        """Returns a C function. Its calls release the GIL."""
        for library in self._libraries:
            with contextlib.suppress(AttributeError):
                return ctypes.CFUNCTYPE(result, *types)((name, library))
        raise DriverError(f"this macOS does not have the function {name}", call="dlsym")

    def has(self, name: str) -> bool:
        """Whether one of the libraries has a symbol."""
        return any(hasattr(library, name) for library in self._libraries)

    def class_named(self, name: str) -> int:
        """The class; an error if this macOS does not have it."""
        found = self.function("objc_getClass", _id, _text)(name.encode())
        if not found:
            raise DriverError(f"this macOS does not have the class {name}", call="objc_getClass")
        return int(found)

    def send(self, receiver: int, selector: str, *values: Any) -> Any:
        """Sends a message."""
        result, types = SIGNATURES[selector]
        registered = self.function("sel_registerName", _id, _text)(selector.encode())
        return self.function("objc_msgSend", result, _id, _id, *types)(
            receiver, registered, *values
        )

    def responds(self, receiver: int, selector: str) -> bool:
        """Whether an object has a method."""
        registered = self.function("sel_registerName", _id, _text)(selector.encode())
        return bool(self.send(receiver, "respondsToSelector:", registered))

    def release(self, receiver: int) -> None:
        self.function("objc_release", None, _id)(receiver)

    @contextlib.contextmanager
    def pool(self) -> Iterator[None]:
        """The objects that are made in this context live until its end, unless they are kept."""
        token = self.function("objc_autoreleasePoolPush", _id)()
        try:
            yield
        finally:
            self.function("objc_autoreleasePoolPop", None, _id)(token)

    # ---- objects of the pool ----

    def string(self, text: str) -> int:
        cls = self.class_named("NSString")
        return int(self.send(cls, "stringWithUTF8String:", text.encode()))

    def number(self, value: int) -> int:
        return int(self.send(self.class_named("NSNumber"), "numberWithUnsignedInt:", value))

    def array(self, objects: Sequence[int]) -> int:
        memory = (_id * max(1, len(objects)))(*objects)
        cls = self.class_named("NSArray")
        return int(self.send(cls, "arrayWithObjects:count:", memory, len(objects)))

    def dictionary(self, values: Mapping[str, int]) -> int:
        made = int(self.send(self.class_named("NSMutableDictionary"), "dictionary"))
        for key, value in values.items():
            self.send(made, "setObject:forKey:", value, self.string(key))
        return made
