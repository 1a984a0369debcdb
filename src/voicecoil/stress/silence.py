"""A callback that does almost nothing. Isolated interpreters import this module."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from voicecoil import Block

__all__ = ["silence"]


def silence(block: Block) -> None:
    """Write one sample of silence, so that the block's output is used as in other callbacks."""
    block.output[0, 0] = 0.0
