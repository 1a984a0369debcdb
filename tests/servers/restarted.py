"""Two drivers use JACK in one program, and the server is restarted under both.

When a client is opened after that, libjack frees all clients of the ended server, also those of the
other driver.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import voicecoil as vc
from rig import until
from servers.jack import JackServer


def main() -> None:
    server = JackServer(ports=2, role="restarted")
    os.environ.update(server.env)
    streams = []
    for name in ("miniaudio", "miniaudio:jack"):
        until(lambda name=name: any(d.uid == "jack" for d in vc.devices(name)))
        stream = vc.OutputStream(lambda block: None, driver=name, device="jack")
        stream.start()
        streams.append(stream)
    server.kill()
    for stream in streams:
        until(lambda stream=stream: stream.state == "finished")
    server.start()
    until(lambda: bool(vc.devices("miniaudio:jack")))
    for stream in streams:
        stream.close()
    until(lambda: bool(vc.devices("miniaudio:jack")))
    server.close()


if __name__ == "__main__":
    main()
