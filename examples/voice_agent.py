"""A voice agent: it speaks while it thinks, is interrupted, and knows which word was cut.

    python examples/voice_agent.py

The "model" holds the GIL for 100 ms at a time and makes a tone for each word, in chunks of
irregular length. The agent is interrupted after two seconds, and Ctrl-C ends it before that. If
the device is unplugged, the speech continues when it is back, or on the default device.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

import voicecoil as vc

RATE = 24_000
WORDS = ["I", "can", "tell", "a", "very", "long", "story", "of", "a", "fox", "and", "a", "dog"]


async def speech(words: list[str]) -> AsyncIterator[tuple[str, Any]]:
    """The stand-in for a model and a network."""
    for number, word in enumerate(words):
        until = time.monotonic() + 0.1
        while time.monotonic() < until:  # the model thinks and holds the GIL
            pass
        tone = (8000 * np.sin(np.arange(RATE // 4) * 0.03 * (number % 5 + 2))).astype(np.int16)
        for begin in range(0, len(tone), size := 70 + 611 * (number % 4)):
            yield word if begin == 0 else "", tone[begin : begin + size]
            await asyncio.sleep(size / RATE / 4)


async def say(player: vc.Player, words: list[str]) -> None:
    async for word, chunk in speech(words):
        if word:
            player.mark(word)
        await player.write(chunk)
    await player.drain()


async def agent(words: list[str], interruption: asyncio.Event, **options: Any) -> list[str]:
    """Speaks until the end or the interruption. Returns the words that the listener has heard."""
    options = {"on_device_lost": "default", "prebuffer_s": 0.1, **options}
    player = vc.Player(samplerate=RATE, channels=1, dtype="int16", **options)
    async with player, asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in (say(player, words), interruption.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        player.clear()
        await player.drain()
        return [mark.name for mark in player.marks_heard]


async def main() -> None:
    asyncio.get_running_loop().call_later(2.0, (interruption := asyncio.Event()).set)
    words = await agent(WORDS, interruption, on_mark=lambda mark: print(mark, flush=True))
    print("heard:", *words)


if __name__ == "__main__":
    asyncio.run(main())
