"""The callback whose cost is measured. An isolated interpreter can import this module, too."""

from __future__ import annotations

import voicecoil as vc


def look(block: vc.Block) -> None:
    block.output  # noqa: B018 - the view is what is measured
