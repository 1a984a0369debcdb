"""Mixes, which map source channels to target channels with gains.

A *mix* is one of two things:

- an **index map**, a tuple with one entry for each target channel: the 0-based source channel
  that it carries, or None for silence. It copies samples and does no arithmetic.
- a **gain matrix**, float32 of shape ``(target_channels, source_channels)``: row ``t`` has the
  gain of each source channel in target channel ``t``.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.wording import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mix: TypeAlias = tuple[int | None, ...] | NDArray[np.float32]
    # Either indices and None, or rows of gains. A union of the two types is not used, because type
    # checkers then refuse a plain nested list, whose element type they cannot infer.
    Mapping: TypeAlias = Sequence[Any] | NDArray[Any]

__all__ = ["MAX_CHANNELS", "apply", "check_channels", "mix_matrix"]

MAX_CHANNELS = 1024
"""The most channels that a stream, a file or an array may have. It is also the engine's limit."""

_HALF_POWER = 0.5**0.5

# ITU-R BS.775 folding to stereo, in the channel order of WAV and FLAC: (left, right) for each
# source channel. The LFE channel is left out, as in the recommendation.
_LEFT, _RIGHT, _CENTRE, _LFE = (1.0, 0.0), (0.0, 1.0), (_HALF_POWER, _HALF_POWER), (0.0, 0.0)
_TO_LEFT, _TO_RIGHT, _REAR = (_HALF_POWER, 0.0), (0.0, _HALF_POWER), (0.5, 0.5)
_STEREO_FOLD: dict[int, tuple[tuple[float, float], ...]] = {
    3: (_LEFT, _RIGHT, _CENTRE),
    4: (_LEFT, _RIGHT, _TO_LEFT, _TO_RIGHT),
    5: (_LEFT, _RIGHT, _CENTRE, _TO_LEFT, _TO_RIGHT),
    6: (_LEFT, _RIGHT, _CENTRE, _LFE, _TO_LEFT, _TO_RIGHT),
    7: (_LEFT, _RIGHT, _CENTRE, _LFE, _REAR, _TO_LEFT, _TO_RIGHT),
    8: (_LEFT, _RIGHT, _CENTRE, _LFE, _TO_LEFT, _TO_RIGHT, _TO_LEFT, _TO_RIGHT),
}


def check_channels(channels: int, name: str = "channels") -> int:
    """Return a number of channels as an int, or raise an error that says what is wrong.

    Parameters
    ----------
    channels : int
        1 to ``MAX_CHANNELS``.
    name : str, optional
        The parameter's name, for the message.

    Raises
    ------
    ArgumentTypeError
        `channels` is not an integer.
    ArgumentError
        `channels` is out of range.
    """
    try:
        if isinstance(channels, bool):
            raise TypeError
        number = index(channels)
    except TypeError:
        raise ArgumentTypeError(
            f"{name} is {shown(channels)}; it must be an integer from 1 to {MAX_CHANNELS}, "
            "such as 2"
        ) from None
    if not 1 <= number <= MAX_CHANNELS:
        raise ArgumentError(
            f"{name} is {number}; use 1 to {MAX_CHANNELS}. Give the number of channels "
            "of the sound, such as 1 or 2"
        )
    return number


def mix_matrix(source_channels: int, target_channels: int, mapping: Mapping | None = None) -> Mix:
    """Return the mix that maps source channels to target channels.

    Without `mapping`:

    ============================  =========================================================
    Source to target              Mix
    ============================  =========================================================
    N to N                        each channel unchanged (an index map)
    1 to N                        the source channel on all target channels (an index map)
    N to 1                        the mean of all source channels
    N to M, N < M, N > 1          channel i on i, silence on the rest (an index map)
    3..8 to 2                     the downmix of ITU-R BS.775 in WAV's channel order (L R C
                                  LFE ...), scaled so that it cannot clip
    N to M, N > M, otherwise      target t is the mean of the sources t, t + M, t + 2M ...
    ============================  =========================================================

    Parameters
    ----------
    source_channels, target_channels : int
        1 to ``MAX_CHANNELS``.
    mapping : sequence of int or None, or array_like of shape (target_channels, source_channels)
        For each target channel, the 0-based source channel or None for silence. Alternatively a
        matrix of finite linear gains. A negative gain inverts.

    Returns
    -------
    tuple of (int or None), or ndarray of float32, shape (target_channels, source_channels)
        An index map if no arithmetic is needed, otherwise the gains. A matrix with only zeros and
        at most one 1.0 in each row is returned as an index map.

    Raises
    ------
    ArgumentError
        A number of channels, the mapping's length or shape, an index or a gain is impossible.
    ArgumentTypeError
        A number of channels is not an integer, or `mapping` has elements of another type.
    """
    sources = check_channels(source_channels, "source_channels")
    targets = check_channels(target_channels, "target_channels")
    if mapping is not None:
        return _explicit(sources, targets, mapping)
    if sources == 1:
        return (0,) * targets
    if sources <= targets:
        return tuple(s if s < sources else None for s in range(targets))

    import numpy as np

    gains = np.zeros((targets, sources), dtype=np.float32)
    if targets == 2 and sources in _STEREO_FOLD:
        gains[:] = np.array(_STEREO_FOLD[sources]).T
    else:
        everywhere = np.arange(sources)
        gains[everywhere % targets, everywhere] = 1.0
    gains /= gains.sum(axis=1, keepdims=True)
    return _simplest(gains)


def _explicit(sources: int, targets: int, mapping: Any) -> Mix:
    expected = (
        f"give a sequence of {plural(targets, 'source channel')} (0 to {sources - 1}, or None for "
        f"silence), or gains of shape (target_channels, source_channels) = ({targets}, {sources})"
    )
    if isinstance(mapping, (str, bytes)) or not hasattr(mapping, "__len__"):
        raise ArgumentTypeError(f"mapping is {shown(mapping)}; {expected}")
    entries = list(mapping)
    if any(hasattr(entry, "__len__") for entry in entries):
        return _explicit_gains(sources, targets, mapping, expected)
    if len(entries) != targets:
        raise ArgumentError(
            f"mapping has {plural(len(entries), 'entry', 'entries')} for "
            f"{plural(targets, 'target channel')}; {expected}"
        )
    return tuple(_explicit_index(t, entry, sources, expected) for t, entry in enumerate(entries))


def _explicit_index(target: int, entry: Any, sources: int, expected: str) -> int | None:
    if entry is None:
        return None
    try:
        if isinstance(entry, bool):
            raise TypeError
        source = index(entry)
    except TypeError:
        raise ArgumentTypeError(f"mapping[{target}] is {shown(entry)}; {expected}") from None
    if not 0 <= source < sources:
        raise ArgumentError(f"mapping[{target}] is {source}; {expected}")
    return source


def _explicit_gains(sources: int, targets: int, mapping: Any, expected: str) -> Mix:
    import numpy as np

    try:
        given = np.asarray(mapping)
    except ValueError:
        raise ArgumentError(f"mapping has rows of different lengths; {expected}") from None
    if given.dtype.kind not in "iuf":
        raise ArgumentTypeError(f"mapping has gains of type {given.dtype}; {expected}")
    if given.shape != (targets, sources):
        raise ArgumentError(f"mapping has the shape {given.shape}; {expected}")
    with np.errstate(over="ignore"):
        gains = given.astype(np.float32)
    if not np.isfinite(gains).all():
        raise ArgumentError(f"mapping has a gain that is not a finite float32; {expected}")
    return _simplest(gains)


def _simplest(gains: NDArray[np.float32]) -> Mix:
    selects = ((gains == 0.0) | (gains == 1.0)).all() and ((gains != 0.0).sum(axis=1) <= 1).all()
    if not selects:
        gains.flags.writeable = False
        return gains
    return tuple(int(row.argmax()) if row.any() else None for row in gains)


def apply(frames: NDArray[np.float32], mix: Mix) -> NDArray[np.float32]:
    """Apply a mix to frames with the source's channels.

    An index map copies samples bit by bit, also NaN and infinity. A gain matrix sums in float32,
    source channel by source channel in rising order, so that the result of a frame does not depend
    on the size of its block. A source channel with a gain of 0.0 has no effect, even if it is NaN.

    Parameters
    ----------
    frames : ndarray of float32, shape (frames, source_channels)
    mix : tuple or ndarray
        The mix returned by :func:`mix_matrix`.

    Returns
    -------
    ndarray of float32, shape (frames, target_channels)
        `frames` itself if the mix changes nothing, otherwise a new array.

    Raises
    ------
    ArgumentError
        `frames` does not have the shape that the mix was made for.
    """
    import numpy as np

    if frames.ndim != 2:
        raise ArgumentError(
            f"frames has the shape {frames.shape}; it must be (frames, channels). "
            "Use frames.reshape(-1, 1) for one channel"
        )
    sources = frames.shape[1]
    if isinstance(mix, tuple):
        if mix == tuple(range(sources)):
            return frames
        highest = max((s for s in mix if s is not None), default=-1)
        if highest >= sources:
            raise ArgumentError(
                f"frames has {plural(sources, 'channel')} and the mix takes channel {highest}; "
                "make the mix with mix_matrix for this number of channels"
            )
        if None not in mix:
            return np.take(frames, np.array(mix, dtype=np.intp), axis=1)
        mixed = np.zeros((len(frames), len(mix)), dtype=np.float32)
        for target, source in enumerate(mix):
            if source is not None:
                mixed[:, target] = frames[:, source]
        return mixed
    if mix.shape[1] != sources:
        raise ArgumentError(
            f"frames has {plural(sources, 'channel')} and the mix is for {mix.shape[1]}; "
            "make the mix with mix_matrix for this number of channels"
        )
    # A matrix product is not used for two reasons. BLAS changes the order of summation with the
    # number of rows, and 0.0 * NaN would spread NaN from one channel to all others.
    mixed = np.zeros((len(frames), mix.shape[0]), dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for target, source in np.argwhere(mix):
            mixed[:, target] += frames[:, source] * mix[target, source]
    return mixed
