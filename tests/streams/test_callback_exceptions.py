"""A program gets the exceptions and wrong results of its callbacks."""

from __future__ import annotations

import numpy as np
import pytest

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

pytestmark = pytest.mark.usefixtures("home")


def test_exception_is_raised_once_with_its_traceback(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    stepped.capture()

    def callback(block: vc.Block) -> None:
        block.output[:] = 1
        raise KeyError("deep")

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(3)
    with pytest.raises(KeyError, match="deep") as caught:
        stream.wait(5)
    assert [entry.name for entry in caught.traceback][-1] == "callback"
    stream.stop()
    stream.close()
    assert not stepped.heard().any(), "the block of a callback that failed is silent"


@pytest.mark.parametrize("ending", ["wait", "stop", "abort", "close", "with"])
def test_exception_is_raised_wherever_one_looks_first(
    ending: str, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    def callback(block: vc.Block) -> None:
        raise ZeroDivisionError("in the callback")

    stream = vc.OutputStream(callback, driver=driver)
    if ending == "with":
        with pytest.raises(ZeroDivisionError), stream:
            stepped.step(1)
    else:
        stream.start()
        stepped.step(1)
        with pytest.raises(ZeroDivisionError):
            getattr(stream, ending)()
        stream.close()
    assert stream.state == "closed"


def test_an_error_in_the_with_block_wins_and_notes_the_other(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    def callback(block: vc.Block) -> None:
        raise ZeroDivisionError("in the callback")

    with (
        pytest.raises(LookupError, match="in the block") as caught,
        vc.OutputStream(callback, driver=driver),
    ):
        stepped.step(1)
        raise LookupError("in the block")
    assert "ZeroDivisionError" in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_base_exceptions_too(
    kind: type[BaseException], stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    def callback(block: vc.Block) -> None:
        raise kind

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(1)
    with pytest.raises(kind):
        stream.wait(5)
    stream.close()


@pytest.mark.parametrize("result", [0, True, "text", np.zeros(3)])
def test_a_callback_that_does_not_return_none(
    result: object, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    stream = vc.OutputStream(lambda block: result, driver=driver)  # type: ignore[arg-type,return-value]
    stream.start()
    stepped.step(1)
    with pytest.raises(vc.CallbackResultError, match=r"fills block\.output in place"):
        stream.wait(5)
    stream.close()


def test_a_callback_with_the_wrong_arguments(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    with pytest.raises(vc.ArgumentTypeError, match="called with one argument, the Block"):
        vc.OutputStream(lambda: None, driver=driver)  # type: ignore[misc,arg-type]
    with pytest.raises(vc.StreamStateError, match="no stream"):
        stepped.step(1)
