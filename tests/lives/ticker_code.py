"""Callables that threads of another extension call in an isolated interpreter."""

import time


def tick(now: list[int]) -> None:
    pass


def stuck(now: list[int]) -> None:
    time.sleep(1000)


def fails(now: list[int]) -> None:
    raise RuntimeError("meant")


def deeper(now: list[int]) -> None:
    sorted([1, 2], key=lambda _: deeper(now))
