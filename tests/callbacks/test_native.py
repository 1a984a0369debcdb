"""Native callbacks: the kinds of objects that are accepted, the arguments that callbacks get, and
their ways of ending a stream.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from natives import Gain, address_of, capsule, function, heard_of
from voicecoil.callbacks.native import SIGNATURE, ctypes_type, numba_signature
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

NAME = SIGNATURE.encode()
CYTHON_NAME = b"int32_t (float *, float const *, uint32_t, vc_block const *, void *)"
KINDS: dict[str, Callable[[ctypes.CDLL], Any]] = {
    "ctypes": function,
    "address": address_of,
    "capsule": lambda library: capsule(address_of(library), NAME),
    "capsule of Cython": lambda library: capsule(address_of(library), CYTHON_NAME),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_its_user_data(
    kind: str, library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    user = Gain(0.25)
    heard = heard_of(stepped, driver, vc.NativeCallback(KINDS[kind](library), user))
    assert heard.shape == (192, 2)
    assert (heard == 0.25).all()
    assert user.frames == 192


def test_input_and_output(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    """With a gain of 1, a pulse circulates through the loop."""
    stepped.capture()
    user = Gain(1.0)

    def pulse(block: vc.Block) -> None:
        block.output[0] = [0.5, -0.5]
        raise vc.Stop

    with (
        vc.Stream(vc.NativeCallback(function(library), user), driver=driver) as loop,
        vc.OutputStream(pulse, driver=driver),
    ):
        stepped.step(6)
        loop.abort()
    heard = stepped.heard()
    assert np.argwhere(heard[:, 0] == 0.5).ravel().tolist() == [0, 128, 256]
    assert np.argwhere(heard[:, 1] == -0.5).ravel().tolist() == [0, 128, 256]
    assert np.count_nonzero(heard) == 6


def test_user_data_in_a_numpy_buffer(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    user = np.zeros(1, [("factor", np.float32), ("blocks_left", np.int32), ("frames", np.uint64)])
    user["factor"] = 0.5
    heard = heard_of(stepped, driver, vc.NativeCallback(function(library), user))
    assert (heard == 0.5).all()
    assert user["frames"][0] == 192


def test_user_data_is_kept_alive(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    users = [Gain(0.125) for _ in range(1000)]
    stepped.capture()
    stream = vc.OutputStream(vc.NativeCallback(function(library), users.pop(500)), driver=driver)
    users.clear()
    _ = [Gain(0.75) for _ in range(1000)]
    stream.start()
    stepped.step(1)
    stream.close()
    assert (stepped.heard() == 0.125).all()


def test_user_data_cannot_be_moved_while_it_is_used(library: ctypes.CDLL) -> None:
    """Before the fix, the buffer was released at once, and the callback wrote to freed memory."""
    user = bytearray(16)
    callback = vc.NativeCallback(function(library), user)
    with pytest.raises(BufferError):
        user.extend(bytes(1 << 20))
    del callback
    user.extend(bytes(1 << 20))


def test_a_pointer_as_user_data(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    user = Gain(0.5)
    callback = vc.NativeCallback(function(library), ctypes.pointer(user))
    assert (heard_of(stepped, driver, callback) == 0.5).all()
    callback = vc.NativeCallback(function(library), ctypes.addressof(user))
    assert (heard_of(stepped, driver, callback) == 0.5).all()
    callback = vc.NativeCallback(function(library), ctypes.c_void_p(ctypes.addressof(user)))
    assert (heard_of(stepped, driver, callback) == 0.5).all()


def test_a_python_function_made_native_by_ctypes(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    @ctypes_type()
    def callback(output: int, _input: Any, frames: int, _block: int, _user: Any) -> int:
        array = (ctypes.c_float * (2 * frames)).from_address(output)
        array[:] = [0.5] * (2 * frames)
        return 0

    assert (heard_of(stepped, driver, callback) == 0.5).all()


def test_cffi(library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver) -> None:
    cffi = pytest.importorskip("cffi", reason="NOT TESTED: cffi is not installed")
    ffi = cffi.FFI()
    ffi.cdef(
        "typedef struct vc_block vc_block;"
        "int32_t vc_test_gain(float *, const float *, uint32_t, const vc_block *, void *);"
    )
    opened = ffi.dlopen(library._name)
    user = Gain(0.5)
    assert (heard_of(stepped, driver, vc.NativeCallback(opened.vc_test_gain, user)) == 0.5).all()
    with pytest.raises(vc.ArgumentError, match="NULL"):
        vc.NativeCallback(ffi.cast("int32_t (*)(void *)", 0))


class TestNumba:
    @pytest.fixture(autouse=True)
    def numba(self) -> Any:
        return pytest.importorskip("numba", reason="NOT TESTED: numba is not installed")

    def test_cfunc(self, numba: Any, stepped: VirtualDevice, driver: VirtualDriver) -> None:
        @numba.cfunc(numba_signature(), error_model="numpy")  # type: ignore[untyped-decorator]
        def callback(output: Any, _input: Any, frames: int, _block: Any, _user: Any) -> int:
            array = numba.carray(output, (frames, 2))
            for f in range(frames):
                array[f, 0] = 0.5
                array[f, 1] = 0.25
            return 0

        heard = heard_of(stepped, driver, callback)
        assert (heard == [0.5, 0.25]).all()

    def test_wrong_signature(self, numba: Any, driver: VirtualDriver) -> None:
        @numba.cfunc("int32(int32)")  # type: ignore[untyped-decorator]
        def callback(number: int) -> int:
            return number

        with pytest.raises(vc.ArgumentTypeError, match="the cfunc has signature"):
            vc.OutputStream(callback, driver=driver)

    def test_compiled_for_python(self, numba: Any, driver: VirtualDriver) -> None:
        @numba.njit  # type: ignore[untyped-decorator]
        def callback(block: Any) -> None:
            pass

        with pytest.raises(vc.ArgumentTypeError, match=r"numba\.cfunc"):
            vc.OutputStream(callback, driver=driver)

    def test_parameters(self, numba: Any, stepped: VirtualDevice, driver: VirtualDriver) -> None:
        @numba.cfunc(numba_signature())  # type: ignore[untyped-decorator]
        def callback(output: Any, _input: Any, frames: int, _block: Any, user: Any) -> int:
            level = numba.carray(user, 2, np.float64)
            array = numba.carray(output, (frames, 2))
            for f in range(frames):
                array[f, 0] = level[0]
                array[f, 1] = level[1]
            return 0

        stepped.capture()
        parameters = {"left": 0.25, "right": 0.5}
        with vc.OutputStream(callback, driver=driver, parameters=parameters) as stream:
            stepped.step(1)
            stream.parameters.update(left=0.5, right=1.0)
            stepped.step(1)
            stream.abort()
        assert stepped.heard()[[0, 127]].tolist() == [[0.25, 0.5], [0.5, 1.0]]

    @pytest.mark.parametrize("model", ["python", "numpy"])
    def test_a_cfunc_that_may_raise_is_refused(self, numba: Any, model: str) -> None:
        def divides(output: Any, _input: Any, frames: int, _block: Any, _user: Any) -> int:
            for f in range(frames):
                output[f] = 1.0 / (f - 3)
            return 0

        def raises(output: Any, _input: Any, frames: int, _block: Any, _user: Any) -> int:
            if frames > 64:
                raise KeyError("meant")
            return 0

        def allocates(output: Any, _input: Any, frames: int, _block: Any, _user: Any) -> int:
            more = np.zeros(frames)
            output[0] = more.sum()
            return 0

        refused = {divides: "ZeroDivisionError", raises: "KeyError", allocates: "MemoryError"}
        for written, name in refused.items():
            compiled = numba.cfunc(numba_signature(), error_model=model)(written)
            if written is divides and model == "numpy":
                vc.NativeCallback(compiled)
                continue
            with pytest.raises(vc.ArgumentError, match=f"may raise {name}; .* negative number"):
                vc.NativeCallback(compiled)


def test_a_native_callback_works_with_float32(library: ctypes.CDLL, driver: VirtualDriver) -> None:
    callback = vc.NativeCallback(function(library))
    with pytest.raises(vc.ArgumentError, match="native callback works with float32: leave dtype"):
        vc.OutputStream(callback, driver=driver, dtype="int16")


# ---- parameters and exchange -------------------------------------------------------------------


def test_parameters_are_a_record(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    stepped.capture()
    first = {"level": 0.25, "frames": 10, "loud": False, "text": b"abcd"}
    callback = vc.NativeCallback(function(library, "vc_test_record"))
    with vc.OutputStream(callback, driver=driver, parameters=first, channels=1) as stream:
        stepped.step(1)
        stream.parameters.loud = True
        stepped.step(1)
        stream.parameters.update(level=0.125, frames=20, text=b"z")
        assert stream.parameters.frames == 20
        stepped.step(2)
        stream.abort()
    assert np.array_equal(*stepped.heard().T)  # both channels play the same
    heard = stepped.heard()[:, 0].reshape(4, 64)
    last = [0.25] * 20 + [0.122] * 44
    wanted = [[0.25] * 10 + [0.097] * 54, [0.5] * 10 + [0.097] * 54, last, last]
    assert np.allclose(heard, wanted)


def test_one_function_after_another_without_a_gap(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    stepped.capture()
    levels = [0.125 * number for number in range(1, 9)]
    users = [Gain(level) for level in levels]
    native = function(library)
    with vc.OutputStream(vc.NativeCallback(native, users[0]), driver=driver) as stream:
        stepped.step(1)
        for user in users[1:]:
            stream.swap(vc.NativeCallback(native, user))
            stepped.step(1)
        stream.abort()
        assert stream.statistics().xruns == 0
    assert np.array_equal(stepped.heard()[:, 0], np.repeat(np.float32(levels), 64))
    assert [user.frames for user in users] == [64] * 8


def test_objects_of_a_replaced_function_are_released(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    def callback() -> vc.NativeCallback:
        user = Gain(0.5)
        alive.append(weakref.ref(user))
        return vc.NativeCallback(function(library), user)

    alive: list[weakref.ref[Gain]] = []
    with vc.OutputStream(callback(), driver=driver) as stream:
        for _ in range(5):
            stepped.step(1)
            stream.swap(callback())
        assert [user() is not None for user in alive] == [False] * 4 + [True] * 2
        stream.abort()


def test_callbacks_that_cannot_be_exchanged(
    library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    native = vc.NativeCallback(function(library), Gain(0.5))
    with vc.OutputStream(lambda block: None, driver=driver) as stream:
        with pytest.raises(vc.StreamStateError, match="only a native callback"):
            stream.swap(native)
        stream.abort()
    with vc.OutputStream(native, driver=driver) as stream:
        with pytest.raises(vc.ArgumentTypeError, match="is not native"):
            stream.swap(lambda block: None)
        stream.abort()
    with pytest.raises(vc.StreamClosedError):
        stream.swap(native)
    with pytest.raises(vc.ArgumentError, match="one argument `user`"):
        vc.OutputStream(native, driver=driver, parameters={"level": 1.0})
    with pytest.raises(vc.ArgumentError, match="results are for Python"):
        vc.OutputStream(native, driver=driver, results={"level": 1.0})


# ---- end of a stream ---------------------------------------------------------------------------


def test_stop(library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver) -> None:
    stepped.capture()
    user = Gain(0.5, blocks_left=2)
    with vc.OutputStream(vc.NativeCallback(function(library), user), driver=driver) as stream:
        stepped.step(5)
        assert stream.wait(5)
    heard = stepped.heard()
    assert heard.shape == (128, 2)
    assert (heard == 0.5).all()
    assert user.frames == 128


@pytest.mark.parametrize("code", [None, -1, -(2**31)])
def test_a_negative_number_is_an_error_with_that_code(
    code: int | None, library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    user = None if code is None else ctypes.c_int32(code)
    callback = vc.NativeCallback(function(library, "vc_test_fail"), user)
    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(2)
    with pytest.raises(vc.NativeCallbackError) as caught:
        stream.wait(5)
    assert caught.value.code == (-77 if code is None else code)
    assert str(caught.value.code) in str(caught.value)
    stream.stop()  # does not raise the same exception again
    stream.close()


# ---- refused callbacks -------------------------------------------------------------------------


@pytest.mark.parametrize("null", [0, ctypes_type()(0)])
def test_null(null: Any) -> None:
    with pytest.raises(vc.ArgumentError, match="NULL"):
        vc.NativeCallback(null)


def test_a_capsule_of_something_else(library: ctypes.CDLL) -> None:
    for name in (b"double (double)", b"some_module.some_object"):
        with pytest.raises(vc.ArgumentTypeError, match="capsule's name"):
            vc.NativeCallback(capsule(address_of(library), name))


@pytest.mark.parametrize("thing", ["printf", 1.5, None, True, len])
def test_objects_that_are_no_native_functions(thing: Any) -> None:
    with pytest.raises(vc.ArgumentTypeError, match="is not a native function"):
        vc.NativeCallback(thing)


READ_ONLY = np.zeros(4)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    "user",
    [
        "text",
        1.5,
        b"read-only",
        object(),
        True,
        bytearray(),
        np.zeros(0),
        np.zeros(9)[::2],
        READ_ONLY,
    ],
)
def test_user_data_without_an_address(user: Any, library: ctypes.CDLL) -> None:
    with pytest.raises(vc.ArgumentTypeError, match="has no address"):
        vc.NativeCallback(function(library), user)


def test_an_address_alone_is_not_a_callback(library: ctypes.CDLL, driver: VirtualDriver) -> None:
    """An integer may have any meaning, so the program must state that it is an address."""
    with pytest.raises(vc.ArgumentTypeError, match="NativeCallback"):
        vc.OutputStream(address_of(library), driver=driver)


def test_a_ctypes_function_of_another_signature(driver: VirtualDriver) -> None:
    wrong = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda value: value)
    with pytest.raises(vc.ArgumentTypeError, match="signature"):
        vc.OutputStream(wrong, driver=driver)
