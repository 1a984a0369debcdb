"""The streams of a voice agent: it hears 16 kHz and speaks 24 kHz, both mono and int16.

    python examples/voice_streams.py [seconds]

This agent answers each sentence with a tone of the same length. The rates are those of the blocks.
If the devices run at others, such as 44.1, 48 or 96 kHz, the streams convert.
"""

import argparse
import queue
import time

import numpy as np

import voicecoil as vc

HEARING_HZ, SPEAKING_HZ = 16_000, 24_000
LOUD = 300  # of 32,767
PAUSE_BLOCKS = 25  # of 20 ms; this much silence ends a sentence


class Agent:
    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()
        self.speech: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()
        self.rest = np.zeros(0, np.int16)
        self.blocks = self.spoken = self.sentence = self.silent = 0

    def listen(self, block: vc.Block) -> None:
        self.heard.put(block.input[:, 0].copy())  # a block is only lent

    def speak(self, block: vc.Block) -> None:
        while len(self.rest) < block.frames and not self.speech.empty():
            self.rest = np.concatenate([self.rest, self.speech.get()])
        said, self.rest = self.rest[: block.frames], self.rest[block.frames :]
        block.output[: len(said), 0] = said
        self.spoken += len(said)

    def think(self) -> None:
        """Handle everything that was heard. Any time may pass here, also in a language model."""
        while not self.heard.empty():
            block = self.heard.get()
            self.blocks += 1
            loud = np.abs(block.astype(np.int32)).max() > LOUD
            self.sentence += len(block) * (loud or self.sentence > 0)
            self.silent = 0 if loud else self.silent + 1
            if self.sentence and self.silent > PAUSE_BLOCKS:
                self.answer(self.sentence / HEARING_HZ)
                self.sentence = 0

    def answer(self, seconds: float) -> None:
        at = np.arange(round(seconds * SPEAKING_HZ))
        wave = 6_000 * np.sin(2 * np.pi * 330 * at / SPEAKING_HZ) * np.hanning(len(at))
        self.speech.put(wave.astype(np.int16))


def run(seconds: float) -> Agent:
    agent = Agent()
    with (
        vc.OutputStream(agent.speak, samplerate=SPEAKING_HZ, channels=1, dtype="int16") as mouth,
        vc.InputStream(
            agent.listen, samplerate=HEARING_HZ, channels=1, dtype="int16", blocksize=320
        ) as ear,
    ):
        agent.answer(0.2)
        until = time.monotonic() + seconds
        while time.monotonic() < until or not (agent.blocks and agent.spoken):
            agent.think()
            time.sleep(0.01)
        for stream in (ear, mouth):
            print(f"{stream.samplerate:g} Hz on a device at {stream.device.samplerate:g} Hz")
    return agent


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    agent = run(parser.parse_args().seconds)
    position = agent.spoken
    print(f"heard {agent.blocks * 0.02:.1f} s, spoke {agent.spoken / SPEAKING_HZ:.1f} s")
