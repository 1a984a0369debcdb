"""The callback whose cost is measured; importable in an isolated interpreter, too."""

from __future__ import annotations

import voicecoil as vc


def look(block: vc.Block) -> None:
    block.output  # noqa: B018 - the view is what is measured
