"""Replaces RealtimeKit on the bus of DBUS_SYSTEM_BUS_ADDRESS, and raises the priority of threads.

Argument: "grant" or "refuse". Prints "ready" when the service has its name on the bus.
"""

import os
import sys

from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
from jeepney.wrappers import unwrap_msg

NUMBERS = {"MaxRealtimePriority": ("i", 20), "RTTimeUSecMax": ("x", 200_000)}

connection = open_dbus_connection(bus="SYSTEM")
unwrap_msg(
    connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.RealtimeKit1", 4))
)
print("ready", flush=True)
while True:
    asked = connection.receive()
    if asked.header.message_type is not MessageType.method_call:
        continue
    name = asked.header.fields[HeaderFields.member]
    if name == "Get":
        answer = new_method_return(asked, "v", (NUMBERS[asked.body[1]],))
    elif name == "MakeThreadRealtime" and sys.argv[1] == "grant":
        thread, level = asked.body
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(level))
        answer = new_method_return(asked)
    else:
        answer = new_error(asked, "org.freedesktop.DBus.Error.AccessDenied", "s", ("not for you",))
    connection.send(answer)
