"""PipeWire with its session manager, its PulseAudio server and a null sink."""

from __future__ import annotations

import subprocess

from servers.processes import Processes, needs
from servers.pulse import PulseServer

__all__ = ["JACK_FOLDERS", "PipeWireServer"]

# The folders of PipeWire's own libjack on Debian and Fedora.
JACK_FOLDERS = ("/usr/lib/x86_64-linux-gnu/pipewire-0.3/jack", "/usr/lib64/pipewire-0.3/jack")
# The quantum is long, because tests check all frames and a busy machine would otherwise lose some.
CONFIGURATION = """
context.properties = {
    default.clock.rate = 48000
    default.clock.quantum = 2048
    default.clock.min-quantum = 2048
    vm.overrides = { default.clock.min-quantum = 2048 }
}
context.objects = [
    { factory = adapter
      args = {
          factory.name = support.null-audio-sink
          node.name = null0
          node.description = "Null Output"
          media.class = Audio/Sink
          object.linger = true
          audio.position = [ FL FR ]
          audio.rate = 48000
      }
    }
]
"""


class PipeWireServer(PulseServer):
    """A PipeWire with the sink "null0". Clients of PulseAudio and of JACK can use it."""

    def __init__(self) -> None:
        needs("pipewire", "wireplumber", "pipewire-pulse", "dbus-daemon", "pactl", "parec")
        self.processes = Processes()
        folder = self.processes.folder
        self.env = {
            "PULSE_SERVER": f"unix:{folder}/pulse/native",
            "PULSE_RUNTIME_PATH": f"{folder}/pulse",
            "PULSE_COOKIE": f"{folder}/cookie",
            "PIPEWIRE_RUNTIME_DIR": str(folder),
        }
        drop_in = folder / "pipewire" / "pipewire.conf.d"
        drop_in.mkdir(parents=True)
        (drop_in / "null0.conf").write_text(CONFIGURATION)
        self.start()

    def start(self) -> None:
        """Starts all processes of PipeWire, also after they were killed."""
        folder = self.processes.folder
        (folder / "bus").unlink(missing_ok=True)
        (folder / "pipewire-0").unlink(missing_ok=True)
        bus = f"unix:path={folder}/bus"
        own = {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder)}
        own["DBUS_SESSION_BUS_ADDRESS"] = bus
        dbus = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={bus}"]
        self.processes.start(dbus, **own)
        self.processes.until_ready((folder / "bus").exists, "the D-Bus daemon")
        self.process = self.processes.start(["pipewire"], **own)
        self.processes.until_ready((folder / "pipewire-0").exists, "pipewire")
        self.processes.start(["wireplumber"], **own)
        self.processes.start(["pipewire-pulse"], **own)
        self.processes.until_ready(self._has_sink, "the null sink of PipeWire")

    def _has_sink(self) -> bool:
        """Returns whether the sink exists and is the default."""
        return "null0" in (self.control("get-default-sink") or "")

    def control(self, *arguments: str) -> str | None:
        try:
            return super().control(*arguments)
        except subprocess.TimeoutExpired:
            return None
