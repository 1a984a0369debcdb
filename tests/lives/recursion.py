"""A callback on a thread with a small stack recurses until Python raises RecursionError.

Argument: the kind of recursion.
"""

import functools
import json
import sys
from typing import Any

import numpy as np
from life import HOME, devices

import voicecoil as vc


class Endless:
    def __repr__(self) -> str:
        return repr(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        return self == other

    def __add__(self, other: object) -> Any:
        return np.array([self], dtype=object) + np.array([self], dtype=object)


class EndlessArray(np.ndarray):
    def __array_ufunc__(self, *arguments: Any, **options: Any) -> Any:
        return np.add(self, self)


def nested_list() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def call() -> None:
    call()


def sort(_: Any = 0) -> Any:
    return sorted([1, 2], key=sort)


def partial() -> Any:
    return functools.partial(partial)()


def vectorised(_: Any = 0) -> Any:
    return np.vectorize(vectorised, otypes=[float])(np.zeros(1))


ways = {
    "call": call,
    "repr": lambda: repr(Endless()),
    "attribute": lambda: Endless().more,
    "compare": lambda: Endless() == 1,
    "sort": sort,
    "partial": partial,
    "nested repr": lambda: repr(nested_list()),
    "nested json": lambda: json.dumps(nested_list()),
    "numpy objects": lambda: Endless() + 1,
    "numpy ufunc": lambda: np.add(np.zeros(1).view(EndlessArray), 1),
    "numpy vectorize": vectorised,
}


def callback(block: vc.Block) -> None:
    block.output[:] = np.sin(np.arange(block.frames))[:, None]
    ways[sys.argv[1]]()


sys.setrecursionlimit(1500)
stream = vc.OutputStream(callback, driver=devices(), latency=HOME)
stream.start()
try:
    stream.wait(20)
except RecursionError:
    pass
else:
    raise AssertionError("no RecursionError")
