"""The program and the simulated world of a seed: what events do, and what must be true."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voicecoil as vc
from coreaudio import simulator_path
from voicecoil import hal
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.testing import SimulatedCoreAudio, SimulatedDevice, decode_input

FIXTURES = (1, 2, 3, 8)
DEVICES = ("Loopback", "USBDuplex:1", "BuiltInSpeakerDevice", "BuiltInMicrophoneDevice")
MOST_STREAMS = 6
MOST_SOUNDS = 4
HEALED_S = 20.0  # of real time, until sound flows in the healed world
SCALE = 2.0**-24
TURN = 1 << 18  # frames after which the codes of the input repeat
NOPE = 0x6E6F7065
FAILING = ("AudioDeviceStart", "AudioDeviceCreateIOProcID", "AudioObjectSetPropertyData")


class Coded:
    """A callback that plays numbered frames, or silence if another stream has the device."""

    def __init__(self, chaos: Chaos, uid: str) -> None:
        self.chaos = chaos
        self.uid = uid
        self.position = chaos.positions.setdefault(uid, 0)

    def __call__(self, block: vc.Block) -> None:
        numbers = np.arange(self.position, self.position + block.frames, dtype=np.float64)
        block.output[:] = ((numbers + 1) * SCALE)[:, None]
        self.position += block.frames
        self.chaos.positions[self.uid] = self.position
        self.chaos.cycle("plays", self.uid, block.frames)


class Heard:
    """A callback that keeps what it records."""

    def __init__(self, chaos: Chaos, uid: str) -> None:
        self.chaos = chaos
        self.uid = uid
        self.blocks: list[tuple[int, NDArray[np.float32]]] = []

    def __call__(self, block: vc.Block) -> None:
        self.blocks.append((block.xrun, block.input[:, 0].copy()))
        self.chaos.cycle("records", self.uid, block.frames)


class Chaos:
    """One seed."""

    def __init__(self, seed: int, trace: bool = False, cycles: bool = False) -> None:
        self.seed = seed
        self.trace = trace
        self.cycles = cycles
        self.world = SimulatedCoreAudio(
            simulator_path(), seed=seed, fixtures=FIXTURES, timeouts=Timeouts(start_s=1.0)
        )
        self.driver = self.world.driver
        self.devices: dict[str, SimulatedDevice] = {}
        for uid in DEVICES:
            self.devices[uid] = self.world.device(uid)
            self.devices[uid].set_input("encoded")
        self.ids = {uid: [device.id] for uid, device in self.devices.items()}  # all that it had
        self.layouts = {uid: device.output_streams() for uid, device in self.devices.items()}
        self.unplugged: set[str] = set()
        self.asleep = False
        self.positions: dict[str, int] = {}
        self.streams: list[Any] = []
        self.sounds: list[Any] = []
        self.aggregates: list[hal.AggregateDevice] = []
        self.watches: list[hal.Watch] = []
        self.changes: list[hal.Change] = []
        self.owners: dict[str, Any] = {}  # uid -> the stream that plays coded frames there
        self.runs: dict[Any, list[int]] = {}  # stream -> [begun, ended]
        self.heard: dict[Any, Heard] = {}
        self.refused = 0
        self.said: list[str] = []

    # ---- helpers ----

    def say(self, text: str) -> None:
        self.said.append(text)
        if self.trace:
            print(text, flush=True)

    def cycle(self, what: str, uid: str, frames: int) -> None:
        if self.cycles:
            os.write(2, f"  {uid} {what} {frames} frames\n".encode())

    def allowed(self, call: Callable[[], object]) -> Any:
        """Makes a call, which may raise an error of voicecoil."""
        try:
            return call()
        except (vc.VoicecoilError, hal.PropertyMissingError) as error:
            self.refused += 1
            self.say(f"    {type(error).__name__}: {str(error)[:150]}")
            return None

    def pick(self, things: list[Any], share: float) -> Any:
        return things[int(share * len(things))] if things else None

    def uid(self, share: float) -> str:
        return DEVICES[int(share * len(DEVICES))]

    def ended(self, stream: Any, error: BaseException | None) -> None:
        self.runs[stream][1] += 1

    # ---- what the program does ----

    def open_output(self, a: float, b: float) -> None:
        uid = self.uid(b)
        if len(self.streams) >= MOST_STREAMS:
            return
        coded = self.owners.get(uid) is None
        callback: Any = Coded(self, uid) if coded else (lambda block: None)
        policy = "stop" if coded else ("stop", "wait", "default")[int(a * 3)]
        home: Any = "low" if coded or a < 0.5 else "safe"
        made = self.allowed(
            lambda: vc.OutputStream(
                callback,
                device=uid,
                driver=self.driver,
                latency=home,
                on_device_lost=policy,  # type: ignore[arg-type]
                on_end=self.ended,
            )
        )
        self.keep(made, uid if coded else None)

    def open_input(self, a: float, b: float) -> None:
        uid = self.uid(b)
        if len(self.streams) >= MOST_STREAMS:
            return
        callback = Heard(self, uid)
        made = self.allowed(
            lambda: vc.InputStream(
                callback,
                device=uid,
                driver=self.driver,
                latency="low",
                on_end=self.ended,
            )
        )
        if made is not None:
            self.heard[made] = callback
        self.keep(made, None)

    def keep(self, stream: Any, coded_on: str | None) -> None:
        if stream is None:
            return
        self.streams.append(stream)
        self.runs[stream] = [0, 0]
        if coded_on is not None:
            self.owners[coded_on] = stream
        self.start(stream)

    def start(self, stream: Any) -> None:
        before = stream.state
        if before == "running":
            return
        self.runs[stream][0] += 1
        try:
            stream.start()
        except vc.VoicecoilError as error:
            self.refused += 1
            self.runs[stream][0] -= 1
            self.say(f"    start: {type(error).__name__}: {str(error)[:150]}")

    def restart(self, a: float, b: float) -> None:
        stream = self.pick(self.streams, a)
        if stream is not None:
            self.start(stream)

    def stop(self, a: float, b: float) -> None:
        stream = self.pick(self.streams, a)
        if stream is not None:
            self.allowed(stream.abort if b < 0.5 else stream.stop)

    def close(self, a: float, b: float) -> None:
        stream = self.pick(self.streams, a)
        if stream is not None:
            self.close_stream(stream)

    def close_stream(self, stream: Any) -> None:
        self.allowed(stream.close)
        self.streams.remove(stream)
        for uid, owner in self.owners.items():
            if owner is stream:
                self.owners[uid] = None
        self.check_input(stream)

    def look(self, a: float, b: float) -> None:
        stream = self.pick(self.streams, a)
        if stream is not None:
            events = stream.events()
            counted = stream.statistics()
            assert counted.nonfinite_samples == 0, "NaN was played"
            repr(stream), [str(event) for event in events]

    def play(self, a: float, b: float) -> None:
        if len(self.sounds) < MOST_SOUNDS:
            silence = np.zeros((int(4_800 + 48_000 * a), 2), np.float32)
            rate = (44_100, 48_000)[int(2 * b)]
            sound = self.allowed(
                lambda: vc.play(silence, rate, device=self.uid(a), driver=self.driver)
            )
            if sound is not None:
                self.sounds.append(sound)

    def record(self, a: float, b: float) -> None:
        if len(self.sounds) < MOST_SOUNDS:
            taken = self.allowed(
                lambda: vc.record(duration_s=0.1 + a, device=self.uid(b), driver=self.driver)
            )
            if taken is not None:
                self.sounds.append(taken)

    def end_sound(self, a: float, b: float) -> None:
        sound = self.pick(self.sounds, a)
        if sound is not None:
            self.allowed(sound.stop)
            self.sounds.remove(sound)

    def aggregate(self, a: float, b: float) -> None:
        system = hal.connect(self.driver)
        if self.aggregates:
            self.allowed(self.aggregates.pop().destroy)
            return
        uids = [uid for uid in DEVICES[:2] if uid not in self.unplugged]
        made = self.allowed(
            lambda: system.create_aggregate(
                "Chaos", [system.device(uid) for uid in uids], timeout_s=2.0
            )
        )
        if made is not None:
            self.aggregates.append(made)

    def watch(self, a: float, b: float) -> None:
        system = hal.connect(self.driver)
        if len(self.watches) >= 3:
            self.allowed(self.watches.pop(0).close)
            return
        if b < 0.5:
            made = self.allowed(lambda: hal.watch(system, "devices", callback=self.changed))
        else:
            device = self.allowed(lambda: system.device(self.uid(a)))
            if device is None:
                return
            made = self.allowed(
                lambda: hal.watch(device, "nominal_sample_rate", callback=self.changed)
            )
        if made is not None:
            self.watches.append(made)

    def changed(self, change: hal.Change) -> None:
        self.changes.append(change)

    def properties(self, a: float, b: float) -> None:
        system = hal.connect(self.driver)
        device = self.allowed(lambda: system.device(self.uid(a)))
        if device is None:
            return
        if b < 0.3:
            self.allowed(lambda: repr(device.properties()))
        elif b < 0.6:
            self.allowed(lambda: setattr(device, "volume", b))
        else:
            self.allowed(lambda: device.set("buffer_frames", int(128 + 1024 * b)))

    # ---- what happens ----

    def advance(self, a: float, b: float) -> None:
        self.world.advance(0.002 + 0.1 * a)

    def unplug(self, a: float, b: float) -> None:
        uid = self.uid(a)
        if uid not in self.unplugged and len(self.unplugged) < 2:
            self.now(uid).remove()
            self.unplugged.add(uid)

    def plug_in(self, a: float, b: float) -> None:
        uid = self.pick(sorted(self.unplugged), a)
        if uid is not None:
            self.devices[uid].replug()
            self.now(uid)
            self.unplugged.discard(uid)

    def there(self, share: float) -> SimulatedDevice | None:
        uid = self.uid(share)
        return None if uid in self.unplugged else self.now(uid)

    def now(self, uid: str) -> SimulatedDevice:
        """The device with the ID that it has now."""
        found = int(self.world.library.sim_find_device(uid.encode()))
        if found:
            self.devices[uid].id = found
            if found not in self.ids[uid]:
                self.ids[uid].append(found)
                self.devices[uid].set_input("encoded")
        return self.devices[uid]

    def generations(self, uid: str) -> list[SimulatedDevice]:
        """The device with each ID that it had. Each has the runs of its time."""
        self.now(uid)
        found = [SimulatedDevice(self.world, uid, one) for one in self.ids[uid]]
        for one in found:
            one._layout = self.layouts[uid]
        return found

    def rate(self, a: float, b: float) -> None:
        if (device := self.there(a)) is not None:
            device.change_rate(44_100.0 if b < 0.5 else 48_000.0)

    def overload(self, a: float, b: float) -> None:
        if (device := self.there(a)) is not None:
            device.overload(int(b * 4))

    def notify(self, a: float, b: float) -> None:
        if (device := self.there(a)) is not None:
            device.notify("diff" if b < 0.5 else "stm#")

    def hang(self, a: float, b: float) -> None:
        if (device := self.there(a)) is not None:
            device.hang(int(200e6 * b), "" if b < 0.5 else "nsrt")

    def hog(self, a: float, b: float) -> None:
        if (device := self.there(a)) is not None:
            device.hog(4_711 if b < 0.5 else -1)

    def fail(self, a: float, b: float) -> None:
        self.world.fail_call(FAILING[int(a * len(FAILING))], NOPE, times=1)

    def default(self, a: float, b: float) -> None:
        output = self.there(a * 0.74)
        if output is not None:
            self.world.set_default("output", output)

    def service(self, a: float, b: float) -> None:
        self.world.restart_service()
        for uid in DEVICES:
            self.now(uid)

    def sleep(self, a: float, b: float) -> None:
        if not self.asleep:
            self.world.check(self.world.library.sim_sleep(b < 0.5))
        else:
            self.world.check(self.world.library.sim_wake())
            for uid in DEVICES:
                self.now(uid)
        self.asleep = not self.asleep

    # ---- the seed ----

    def run(self, events: list[Any]) -> None:
        for number, event in enumerate(events):
            self.say(f"{number:4d} {self.world.now_ns() / 1e9:9.3f} s  {event.name}")
            getattr(self, event.name)(event.a, event.b)
        self.heal()
        self.end()

    def heal(self) -> None:
        self.say("healed")
        self.world.release_hung()
        if self.asleep:
            self.sleep(0.0, 0.0)
        for name in FAILING:
            self.world.fail_call(name, 0, times=0)
        for uid in sorted(self.unplugged):
            self.devices[uid].replug()
        self.unplugged.clear()
        for uid in DEVICES:
            device = self.now(uid)
            device.hang(0, "")
            device.hang(0, "nsrt")
            device.hog(-1)
        self.world.advance(8.0)  # after this, devices that were changing have their values
        for uid in DEVICES:
            self.now(uid)
        waiting = [one for one in self.streams if one.state in ("running", "waiting")]
        before = {one: one.statistics().cycles for one in waiting}
        deadline = time.monotonic() + HEALED_S
        while time.monotonic() < deadline:
            self.world.advance(0.05)
            waiting = [one for one in waiting if one.statistics().cycles == before[one]]
            waiting = [one for one in waiting if one.state in ("running", "waiting")]
            if not waiting:
                break
            time.sleep(0.001)  # a thread of the program looks for the device in real time
        assert not waiting, f"no sound flows in {waiting}"

    def end(self) -> None:
        self.close_all()
        for one in self.aggregates:
            self.allowed(one.destroy)
        for watch in self.watches:
            watch.close()
        for change in self.changes:
            assert change.old != change.new, f"a change that is none: {change}"
        for uid in DEVICES[:3]:
            self.flows(uid)
        deadline = time.monotonic() + 20
        while any(begun != ended for begun, ended in self.runs.values()):
            assert time.monotonic() < deadline, f"ends: {sorted(self.runs.values())}"
            time.sleep(0.002)
        for uid in DEVICES[:3]:
            self.check_output(uid)
        self.runs.clear()
        self.world.advance(3.0)
        assert self.driver.settle(20.0), "calls are still under way"
        assert self.driver.kept_ioprocs == 0, "an IOProc is left behind"
        self.world.check_clean()

    def close_all(self) -> None:
        for stream in list(self.streams):
            self.close_stream(stream)
        for sound in self.sounds:
            self.allowed(sound.stop)
        self.sounds.clear()
        vc.stop_all()
        deadline = time.monotonic() + HEALED_S
        while self.driver.open_streams and time.monotonic() < deadline:
            self.world.advance(0.05)
            time.sleep(0.001)
        assert not self.driver.open_streams, "a stream is not closed"

    def flows(self, uid: str) -> None:
        """A new stream plays on a device of the healed world."""
        callback = Coded(self, uid)
        begun = callback.position
        with vc.OutputStream(callback, device=uid, driver=self.driver, latency="low"):
            deadline = time.monotonic() + HEALED_S
            while time.monotonic() < deadline:
                self.world.advance(0.05)
                if callback.position > begun:
                    return
                time.sleep(0.001)
        raise AssertionError(f"no sound flows on {uid}")

    # ---- what was heard and recorded ----

    def check_output(self, uid: str) -> None:
        """The coded frames of a device are in order, each once, and each is one that was made."""
        last = 0
        for device in self.generations(uid):
            for run in range(len(device.runs())):
                sound, _ = device.captured(run)
                loud = np.flatnonzero(sound[:, 0])
                numbers = sound[loud, 0].astype(np.float64) / SCALE
                whole = numbers == np.round(numbers)
                assert whole.all(), f"{uid}: a frame that no callback made"
                assert (sound[loud, 0] == sound[loud, 1]).all(), f"{uid}: channels differ"
                if len(numbers):
                    steps = np.diff(np.concatenate([[last], numbers]))
                    assert (steps > 0).all(), f"{uid}: a frame was repeated or came too late"
                    last = int(numbers[-1])
        assert last <= self.positions.get(uid, 0), f"{uid}: frames that were not made yet"

    def check_input(self, stream: Any) -> None:
        """What a stream recorded is in order, and a block reports the frames missing before it."""
        callback = self.heard.pop(stream, None)
        if callback is None or not callback.blocks:
            return
        sound = np.concatenate([frames for _, frames in callback.blocks])
        codes = decode_input(sound[:, None])
        silent = sound == 0
        assert (codes.valid[:, 0] | silent).all(), "the input has frames that no device recorded"
        times = codes.sample_time[:, 0]
        ends = np.cumsum([len(frames) for _, frames in callback.blocks])
        unreported = 0
        for (told, frames), end in zip(callback.blocks, ends, strict=True):
            begin = end - len(frames)
            inside = slice(max(0, begin - 1), end)
            steps = (np.diff(times[inside]) - 1) % TURN
            steps[silent[inside][1:] | silent[inside][:-1]] = 0
            for step in steps[steps != 0]:
                if step <= told:
                    told -= int(step)
                else:
                    unreported += 1
                    self.say(f"{callback.uid}: {step} frames missing before {end}, told {told}")
        runs = sum(len(one.runs()) for one in self.generations(callback.uid))
        assert unreported <= runs, (
            f"{unreported} in {runs} runs: recorded frames are missing or repeated without a report"
        )
