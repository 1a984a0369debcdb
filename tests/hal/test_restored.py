"""Settings of a ``with`` block are undone when the interpreter ends, and not in a forked child."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from coreaudio import simulator_path

BLOCKS = {
    "hog": "device.hogged()",
    "format": "stream.exclusive(wanted)",
    "format of a stream that plays": "stream.exclusive(wanted), playing()",
    "mute": "device.muted()",
    "rate": "device.samplerate_set(44_100)",
    "buffer": "device.buffer_frames_set(256)",
    "default": "system.default_output_set(device)",
    "property": "device.temporarily('volume_scalar', 0.25)",
    # The rate is set twice. Undone in the wrong order, the first rate would stay.
    "nested": "device.samplerate_set(44_100), device.hogged(), device.samplerate_set(96_000)",
}
SETUP = textwrap.dedent("""
    import os, sys, threading
    import voicecoil as vc
    from voicecoil import hal
    from voicecoil.testing import SimulatedCoreAudio
    import voicecoil.lifetime.exit_and_fork as ends

    world = SimulatedCoreAudio()
    world.load_fixture(1)
    world.load_fixture(3)
    system = hal.connect(world.driver)
    device = system.device("USBDuplex:1")
    stream = device.output.streams[0]
    wanted = [f.format for f in stream.available_physical_formats if not f.format.is_mixable][0]

    def settings() -> tuple:
        return (device.hog_mode, stream.physical_format, device.mute, device.samplerate,
                device.buffer_frames, system.default_output_device.uid, device.volume)

    def playing() -> vc.OutputStream:
        return vc.OutputStream(lambda block: None, device="USBDuplex:1", driver=world.driver)

    before = settings()
""")
ENDING = SETUP + textwrap.dedent("""
    inside = threading.Event()

    @ends.at_the_end
    def look() -> None:
        print("changed", during != before, "restored", settings() == before)

    def hold() -> None:
        global during
        with {what}:
            during = settings()
            inside.set()
            threading.Event().wait()

    if {daemon}:
        threading.Thread(target=hold, daemon=True).start()
        inside.wait()
        sys.exit(3)
    with {what}:
        during = settings()
        raise SystemExit(3)
""")
FORKING = SETUP + textwrap.dedent("""
    def ends_in(name: str, code: int) -> None:
        print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code)

    with {what}:
        during = settings()
        child = os.fork()
        if child:
            ends_in("child", 4)
            print("kept", during == settings() != before)
    if not child:
        os._exit(4)  # the end of the block has raised nothing
    print("restored", settings() == before)

    with {what}:
        during = settings()
        child = os.fork()
        if child == 0:
            sys.exit(5)  # the exit handlers run in the child
        ends_in("exits", 5)
        print("kept", during == settings() != before)
    print("restored", settings() == before)
""")
INTERRUPTED = SETUP + textwrap.dedent("""
    @ends.at_the_end
    def look() -> None:
        print("restored", settings() == before)

    def interrupt(frame, event, arg) -> None:
        if frame.f_code.co_name == {at!r}:
            sys.settrace(None)
            raise KeyboardInterrupt

    try:
        with {what}:
            during = settings()
            sys.settrace(interrupt)
    except KeyboardInterrupt:
        print("interrupted", during != before)
""")

AT_EACH_LINE = SETUP + textwrap.dedent("""
    from voicecoil.hal import restored

    class Interrupt(KeyboardInterrupt):
        pass

    def interrupted_at(number: int) -> bool:
        begun, count = False, 0

        def trace(frame, event, arg):
            nonlocal begun, count
            code = frame.f_code
            if not begun and code.co_name == "__exit__" and "restored" in code.co_filename:
                begun = True
            if not begun or not code.co_filename.endswith(("restored.py", "setting.py")):
                return trace
            if event in ("call", "line"):
                count += 1
                if count == number:
                    sys.settrace(None)
                    raise Interrupt
            return trace

        try:
            with device.temporarily("volume_scalar", 0.5):
                with device.temporarily("volume_scalar", 0.25):
                    sys.settrace(trace)
                sys.settrace(None)
        except Interrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    line, early = 1, 0
    while interrupted_at(line):
        early += settings() == before
        restored._restore_all()  # this runs at exit
        assert settings() == before, (line, settings(), before)
        assert not restored._made
        line += 1
    print("lines", line > 20, "most are restored at the end of the outer block", early > line / 2)
""")


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],  # fork with threads
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "VOICECOIL_COREAUDIO_SIMULATOR": simulator_path()},
    )


@pytest.mark.parametrize(
    ("name", "daemon"), [("nested", False), *((name, True) for name in BLOCKS)]
)
def test_a_setting_ends_with_the_interpreter(name: str, daemon: bool) -> None:
    done = run(ENDING.format(what=BLOCKS[name], daemon=daemon))
    assert done.returncode == 3, done.stderr
    assert done.stdout.split() == ["changed", "True", "restored", "True"], done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("what", "at"),
    [
        (BLOCKS["rate"], "_restore"),
        (BLOCKS["format of a stream that plays"], "_restore"),
        (BLOCKS["rate"], "set"),
        (BLOCKS["hog"], "set"),
        (BLOCKS["mute"], "set"),
    ],
)
def test_what_ctrl_c_leaves_at_the_end_of_a_block_is_restored_at_exit(what: str, at: str) -> None:
    done = run(INTERRUPTED.format(what=what, at=at))
    assert done.stdout.split() == ["interrupted", "True", "restored", "True"], done.stderr
    assert done.stderr == ""


def test_ctrl_c_at_each_line_of_the_end_of_an_inner_block() -> None:
    """The value before the outer block is restored, not the one between."""
    done = run(AT_EACH_LINE)
    words = "lines True most are restored at the end of the outer block True"
    assert done.stdout.split() == words.split(), done.stderr
    assert done.stderr == ""


# Two blocks of one setting: the earlier one, the later one, and what the setting is meanwhile.
PAIRS = {
    "buffer": ("device.buffer_frames_set(256)", "device.buffer_frames_set(128)"),
    "rate": ("device.samplerate_set(44_100)", "device.samplerate_set(96_000)"),
    "hog": ("device.hogged()", "device.hogged()"),
    "mute": ("device.muted()", "device.muted()"),
    "mute, and the property": ("device.temporarily('mute', True)", "device.muted()"),
    "default": ("system.default_output_set(other)", "system.default_output_set(device)"),
    "format": ("stream.exclusive(wanted)", "stream.exclusive(wanted)"),
    "format after hog": ("device.hogged()", "stream.exclusive(wanted)"),
    "a part": (
        "device.temporarily('volume_scalar', 0.5)",
        "device.output.temporarily('volume_scalar', 0.25)",
    ),
    "hog of a part": ("device.hogged()", "device.output.hogged()"),
    "buffer of a part": (
        "device.buffer_frames_set(1024)",
        "device.output.buffer_frames_set(128)",
    ),
    "rate of a part": ("device.output.samplerate_set(44_100)", "device.samplerate_set(96_000)"),
    "a scope": (
        "device.temporarily('volume_scalar', 0.5)",
        "device.temporarily('volume_scalar', 0.25, 'output', 0)",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_overlapping_blocks_restore_the_value_before_both(name: str) -> None:
    """The setting is that of the later block until this block ends, too."""
    first, second = PAIRS[name]
    done = run(
        SETUP
        + textwrap.dedent(f"""
            other = next(one for one in system.devices if one != device and one.output_channels)
            first, second = {first}, {second}
            first.__enter__()
            second.__enter__()
            both = settings()
            first.__exit__(None, None, None)
            print("kept", settings() == both != before)
            second.__exit__(None, None, None)
            print("restored", settings() == before)
        """)
    )
    assert done.stdout.split() == ["kept", "True", "restored", "True"], done.stderr


# The other thread runs while this one is at the beginning of a function, until the other one has
# ended or waits for this one.
MEETING = textwrap.dedent("""
    from voicecoil.hal import restored

    came = threading.Event()

    class Lock:
        real = restored._lock

        def acquire(self, timeout):
            if self.real.acquire(blocking=False):
                return True
            came.set()
            return self.real.acquire(timeout=timeout)

        def release(self):
            self.real.release()

    restored._lock = Lock()
    first, second = device.buffer_frames_set(256), device.buffer_frames_set(128)
    first.__enter__()

    def run():
        try:
            {other}
        finally:
            came.set()

    other = threading.Thread(target=run)

    def meet(frame, event, arg):
        if frame.f_code.co_name == {at!r} and not other.ident:
            sys.settrace(None)
            other.start()
            came.wait()

    sys.settrace(meet)
    {main}
    sys.settrace(None)
    other.join()
    print(device.buffer_frames)
    second.__exit__(None, None, None)
    print(settings() == before)
""")


@pytest.mark.parametrize("at", ["_changing", "set"])
def test_a_block_that_ends_while_another_thread_begins_one(at: str) -> None:
    """The later block restores the value from before the earlier one."""
    ending = "first.__exit__(None, None, None)"
    done = run(SETUP + MEETING.format(other=ending, at=at, main="second.__enter__()"))
    assert done.stdout.split() == ["128", "True"], done.stderr


def test_a_block_that_begins_while_another_thread_restores_the_value() -> None:
    """The later block does not take the value of the ending one for the original value."""
    ending = "first.__exit__(None, None, None)"
    done = run(SETUP + MEETING.format(other="second.__enter__()", at="set", main=ending))
    assert done.stdout.split() == ["128", "True"], done.stderr


def test_a_block_is_not_begun_twice() -> None:
    done = run(
        SETUP
        + textwrap.dedent("""
            block = device.buffer_frames_set(256)
            with block:
                try:
                    with block:
                        pass
                except vc.StreamStateError as error:
                    print("make another one" in str(error))
            print(settings() == before)
        """)
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


@pytest.mark.parametrize("what", ["device.hogged()", "device.muted()"])
def test_one_context_manager_can_be_used_in_a_block_of_itself(what: str) -> None:
    done = run(
        SETUP
        + textwrap.dedent(f"""
            block = {what}
            with block:
                with block:
                    inner = settings()
                print("kept", settings() == inner != before)
            print("restored", settings() == before)
        """)
    )
    assert done.stdout.split() == ["kept", "True", "restored", "True"], done.stderr


@pytest.mark.parametrize("what", ["device.hogged()", "device.muted()"])
def test_a_failed_restore_is_an_error(what: str) -> None:
    done = run(
        SETUP
        + textwrap.dedent(f"""
            try:
                with {what}:
                    world.fail_call("AudioObjectSetPropertyData", 1852797029)  # 'nope'
            except vc.DriverError as error:
                print("nope" in str(error))
            world.fail_call("AudioObjectSetPropertyData", 0, times=0)
        """)
    )
    assert done.stdout.split() == ["True"], done.stderr


@pytest.mark.parametrize("what", ["device.hogged()", "device.muted()", "stream.exclusive(wanted)"])
def test_a_failed_restore_does_not_hide_the_error_of_the_block(what: str) -> None:
    done = run(
        SETUP
        + textwrap.dedent(f"""
            try:
                with {what}:
                    world.fail_call("AudioObjectSetPropertyData", 1852797029)  # 'nope'
                    raise ValueError("the block's")
            except ValueError as error:
                print(error, "nope" in str(error.__notes__))
            world.fail_call("AudioObjectSetPropertyData", 0, times=0)
        """)
    )
    assert done.stdout.split() == ["the", "block's", "True"], done.stderr


def test_a_lock_that_ctrl_c_has_left_locked_holds_up_no_block_for_ever() -> None:
    done = run(
        SETUP
        + textwrap.dedent("""
            from voicecoil.hal import restored

            restored.ALONE_S = 0.0
            restored._lock.acquire()  # this thread never releases it

            def change() -> None:
                with device.buffer_frames_set(256):
                    print(device.buffer_frames)

            other = threading.Thread(target=change)
            other.start()
            other.join()
            print(settings() == before)
        """)
    )
    assert done.stdout.split() == ["256", "True"], done.stderr


@pytest.mark.parametrize("name", ["hog", "format", "mute", "nested"])
def test_a_forked_child_leaves_the_settings_of_its_parent_alone(name: str) -> None:
    done = run(FORKING.format(what=BLOCKS[name]))
    lines = "child True kept True restored True exits True kept True restored True"
    assert done.stdout.split() == lines.split(), done.stderr
    assert done.stderr == ""


OTHERS = {
    "aggregate": "system.create_aggregate('Pair', [device])",
    "watch of a property": "hal.watch(device, 'volume_scalar')",
    "watch of the devices": "vc.watch(driver=world.driver)",
    "workgroup": "stream.workgroup()",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_blocks_end_quietly_in_a_forked_child(name: str) -> None:
    done = run(
        SETUP
        + textwrap.dedent(f"""
            import voicecoil as vc

            stream = vc.OutputStream(lambda block: None, device="USBDuplex:1", driver=world.driver)
            stream.start()
            with {OTHERS[name]} as made:
                child = os.fork()
                if child:
                    status = os.waitpid(child, 0)[1]
                    print(os.waitstatus_to_exitcode(status))
                    if isinstance(made, hal.AggregateDevice):
                        assert made in system.devices
            if not child:
                os._exit(4 + world.counter("fault_fork"))  # it calls CoreAudio no more
            if isinstance(made, hal.AggregateDevice):
                assert made not in system.devices
            stream.abort()
        """)
    )
    assert done.stdout.split() == ["4"], done.stderr
    assert done.stderr == ""
