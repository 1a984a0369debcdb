"""Callables for isolated interpreters."""

import array
import time

import voicecoil as vc

blocks = 0
kept: list[object] = []


def beat(block: vc.Block) -> None:
    global blocks
    blocks += 1
    block.output[0, 0] = 0.5
    block.results.blocks = blocks


def stuck_in_a_loop(block: vc.Block) -> None:
    block.results.blocks = 1
    while blocks >= 0:
        pass


def stuck_for_2_s(block: vc.Block) -> None:
    time.sleep(2.0)


def stuck_for_ever(block: vc.Block) -> None:
    time.sleep(1000.0)


def fails(block: vc.Block) -> None:
    raise RuntimeError("meant")


def garbage(block: vc.Block) -> None:
    """Leaves objects of every kind, which are freed when the interpreter ends."""
    beat(block)
    cycle: list[object] = [block, block.output[:1], array.array("f", [1.0])]
    cycle.append(cycle)
    kept.append(cycle)
    del kept[10:]


def recurses(block: vc.Block) -> None:
    """Recurses through C functions, so that the stack is used up."""
    sorted([1, 2], key=lambda _: recurses(block))
