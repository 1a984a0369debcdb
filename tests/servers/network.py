"""Two hosts on one machine: network namespaces that are connected by a virtual cable."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

__all__ = ["Hosts"]


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, timeout=20).returncode == 0


class Hosts:
    """The hosts "a" and "b". The test is skipped as NOT TESTED if namespaces are not available."""

    ADDRESSES = ("10.213.7.1", "10.213.7.2")

    def __init__(self) -> None:
        self.names = [f"vc{os.getpid()}{letter}" for letter in "ab"]
        if os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("NOT TESTED: two hosts are made by root, with `ip` (package iproute2)")
        first, second = self.names
        cable = [f"vc{os.getpid()}x", f"vc{os.getpid()}y"]
        made = _ip("netns", "add", first) and _ip("netns", "add", second)
        made = made and _ip(
            *("link", "add", cable[0], "netns", first, "type", "veth"),
            *("peer", "name", cable[1], "netns", second),
        )
        if not made:
            self.close()
            pytest.skip("NOT TESTED: no network namespaces here")
        for host, end, address in zip(self.names, cable, self.ADDRESSES, strict=True):
            assert _ip("-n", host, "link", "set", "lo", "up")
            assert _ip("-n", host, "link", "set", end, "up")
            assert _ip("-n", host, "addr", "add", f"{address}/24", "dev", end)
            assert _ip("-n", host, "route", "add", "224.0.0.0/4", "dev", end)  # multicast

    def on(self, host: int) -> list[str]:
        """Returns the words to put before a command that runs on that host."""
        return ["ip", "netns", "exec", self.names[host]]

    def close(self) -> None:
        for name in self.names:
            _ip("netns", "del", name)
