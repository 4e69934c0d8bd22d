#!/usr/bin/env python3
"""A link with a delay: hands packets from a TUN device in one network namespace to one in another, and back.

    relay.py NAMESPACE NAMESPACE MILLISECONDS

Makes a device `wire` in each, which lives as long as the relay does, and says `ready`. On SIGTERM it prints in JSON how
late it sent packets, and ends.
"""

import ctypes
import fcntl
import gc
import json
import os
import select
import signal
import struct
import sys
import time
from collections import deque

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PR_SET_TIMERSLACK = 29
MCL_CURRENT, MCL_FUTURE = 1, 2
# A sleep may end so much later than asked for: this is spent looking at the clock.
SPIN = 200_000
# More than that is late.
LATE = 300_000

libc = ctypes.CDLL(None, use_errno=True)


def tun(namespace):
    """A TUN device in a namespace, which is entered and not left."""
    with open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
    return device


def relay(one, other, delay, late):
    clock = time.monotonic_ns
    # The delay is the same both ways, so they fall due in the order they come.
    waiting = deque()
    while True:
        left = None
        if waiting:
            left = waiting[0][0] - clock()
            if left <= 0:
                due, to, packet = waiting.popleft()
                late.append(clock() - due)
                try:
                    os.write(to, packet)
                except OSError:
                    pass  # A device that is down loses packets, as links do.
                continue
        timeout = None if left is None else max(left - SPIN, 0) / 1e9
        for device in select.select((one, other), (), (), timeout)[0]:
            try:
                packet = os.read(device, 65536)
            except OSError:
                continue
            waiting.append((clock() + delay, other if device == one else one, packet))


def main():
    devices = tun(sys.argv[1]), tun(sys.argv[2])
    delay = int(float(sys.argv[3]) * 1e6)
    # A link waits for no timer that is coarse, for no page that was swapped out, and for no processor.
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    libc.mlockall(MCL_CURRENT | MCL_FUTURE)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except OSError:
        pass
    gc.disable()
    late = []

    def stop(*_):
        late.sort()
        at = [late[int((len(late) - 1) * part)] / 1e6 for part in (0, 0.5, 1)] if late else [0, 0, 0]
        much = sum(1 for each in late if each > LATE)
        print(json.dumps({"packets": len(late), "late": much, "min": at[0], "median": at[1], "max": at[2]}), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    relay(*devices, delay, late)


if __name__ == "__main__":
    main()
