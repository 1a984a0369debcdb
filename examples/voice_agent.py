"""A voice agent: it speaks while it thinks, is interrupted, and knows which word was cut.

    python examples/voice_agent.py

Press Ctrl-C to end it. The "model" holds the GIL for 100 ms at a time and makes a tone for each
word, in chunks of irregular length. If the device is unplugged, the speech goes on when it is back,
or on the default device.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

import voicecoil as vc

RATE = 24_000
WORDS = "I can tell you a long story about a fox and a lazy dog".split()


async def speech(words: list[str]) -> AsyncIterator[tuple[str, Any]]:
    """The stand-in for a model and a network."""
    for number, word in enumerate(words):
        until = time.monotonic() + 0.1
        while time.monotonic() < until:  # thinks without releasing the GIL
            pass
        tone = np.sin(np.arange(RATE // 4) * 0.03 * (number % 5 + 2))
        while len(tone):
            size = random.randint(100, 2000)
            yield word, (8000 * tone[:size]).astype(np.int16)
            tone, word = tone[size:], ""
            await asyncio.sleep(random.uniform(0, 0.02))


async def say(player: vc.Player, words: list[str]) -> None:
    async for word, chunk in speech(words):
        if word:
            player.mark(word)
        await player.write(chunk)
    await player.drain()


async def agent(words: list[str], interruption: asyncio.Event, **options: Any) -> list[str]:
    """Speaks until the end or the interruption. Returns the words that have begun to be heard."""
    options = {"on_device_lost": "default", "prebuffer_s": 0.1, **options}
    async with vc.Player(samplerate=RATE, channels=1, dtype="int16", **options) as player:
        speaking = asyncio.create_task(say(player, words))
        listening = asyncio.create_task(interruption.wait())
        await asyncio.wait({speaking, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if not speaking.done():
            speaking.cancel()
            player.clear()
            await player.drain()
        return [mark.name for mark in player.marks_heard]


async def main() -> None:
    interruption = asyncio.Event()
    asyncio.get_running_loop().call_later(2.0, interruption.set)
    print("heard:", " ".join(await agent(WORDS, interruption)))


if __name__ == "__main__":
    asyncio.run(main())
