"""The choice between a device's rate and the program's: asked for, converted, or refused."""

from __future__ import annotations

from dataclasses import replace

from voicecoil.drivers.protocol import Device, Driver, OpenedFormat, RatesDriver
from voicecoil.drivers.two_devices import DevicePair, one_device
from voicecoil.errors import ArgumentError, VoicecoilError
from voicecoil.streams.request import DeviceRate, StreamRequest
from voicecoil.wording import with_article

__all__ = ["asks_for_rate", "at_rate", "check_other_rate"]


def asks_for_rate(device_rate: DeviceRate, driver: Driver) -> bool:
    """Whether the driver is asked for the program's rate.

    If the rate of a device applies to all programs, it is changed only on request.
    """
    return device_rate == "set" or not isinstance(driver, RatesDriver)


def at_rate(device: Device, driver: Driver, opened_format: OpenedFormat) -> Device:
    """Returns the device with the rate at which it runs since it was opened."""
    if device.samplerate == opened_format.samplerate or not isinstance(driver, RatesDriver):
        return device
    if isinstance(device, DevicePair):  # which runs at the rate of its output
        output = replace(device.output, samplerate=opened_format.samplerate)
        return replace(device, samplerate=opened_format.samplerate, output=output)
    return replace(device, samplerate=opened_format.samplerate)


def check_other_rate(
    request: StreamRequest, driver: Driver, device: Device, opened_format: OpenedFormat
) -> None:
    """Refuses a stream whose device has another rate, if it cannot or must not convert.

    Raises
    ------
    ArgumentError
        The callback runs on the IO thread, or the device was to be set to the rate.
    """
    rate = request.samplerate
    runs = f"{device.name!r} runs at {opened_format.samplerate:g} Hz"
    if request.device_rate == "set" and isinstance(driver, RatesDriver):
        raise ArgumentError(
            f'samplerate={rate:g} Hz with device_rate="set"; {runs} {opened_format.rate_note}, or '
            "leave device_rate out, so that the stream converts"
        )
    if not request.on_io_thread or request.kind == "internal":
        return
    if not isinstance(driver, RatesDriver):
        raise ArgumentError(f"samplerate={rate:g} Hz; {runs} {opened_format.rate_note}")
    code = 'latency="low"' if request.kind == "python" else with_article(f"{request.kind} callback")
    advice = f"give samplerate={opened_format.samplerate:g}" + _others(driver, device)
    raise ArgumentError(
        f"samplerate={rate:g} Hz; {runs}, and {code} runs on the device's thread, where rates are "
        f'not converted: {advice}, or a Python callback with latency="safe", which converts'
    )


def _others(driver: RatesDriver, device: Device) -> str:
    """Returns the advice to set the device's rate, with the rates that it offers."""
    try:
        offered = driver.rates(one_device(device, "output"))
    except (VoicecoilError, OSError):
        offered = []
    if not offered:
        return ', device_rate="set"'
    texts = (f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in offered)
    return f', device_rate="set" with one of its rates ({", ".join(texts)} Hz)'
