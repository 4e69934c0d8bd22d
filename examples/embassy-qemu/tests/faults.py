"""What goes wrong around the firmware: memory, clock, cable, names. Each is an error that names the layer; none hangs."""

import os
import re
import socket
import subprocess
import tempfile
import threading
import time

from guest import BOOT, TRANSCRIPT, Ran, firmware
from peers import LIMIT, Peer, parrot, tls


# Memory


def fits(world, *arguments):
    """Whether so much heap is enough; if not, it ends with an error that says so, wherever it is that memory ends."""
    ran = firmware(*arguments)
    if ran.code == 0:
        assert ran.out == TRANSCRIPT, f"the transcript differs: {ran}"
        return True
    # An allocation that fails says so, and at once. Where TLS grows a buffer it is an error like others.
    if "no memory for a buffer" in ran.err.split("\n", 1)[0]:
        ran.bad('Secure "tls"', says=ran.out)
    else:
        ran.bad("out of memory", "bytes were asked for", says=ran.out)
    assert TRANSCRIPT.startswith(ran.out) and ran.seconds < 10, f"{ran}"
    return False


def needed(world, sizes, *arguments):
    enough = [size for size in sizes if fits(world, "--heap", str(size), *arguments)]
    assert sizes[0] not in enough and sizes[-1] in enough, f"enough were: {enough}"
    return f"{enough[0]} bytes of heap were enough, of {len(sizes)} amounts from {sizes[0]}"


def little_heap(world):
    return needed(world, [*range(0, 24_000, 500), 48_000], guest(world.tcp))


def little_heap_for_tls(world):
    return needed(world, [*range(0, 40_000, 700), 64_000], "--ca", world.ca, guest(world.tls))


def guest(url):
    return url.replace("127.0.0.1", "10.0.2.2")


# The clock


def a_clock_that_is_early(world):
    early = str(int(time.time()) - 3 * 86_400)
    firmware("--time", early, "--ca", world.ca, guest(world.tls)).bad('"tls" to 10.0.2.2:', "not valid yet", "check the clock")


def a_clock_that_is_late(world):
    late = str(int(time.time()) + 60 * 86_400)
    firmware("--time", late, "--ca", world.ca, guest(world.tls)).bad('"tls" to 10.0.2.2:', "certificate expired", "check the clock")


def a_clock_that_is_right(world):
    firmware("--time", str(int(time.time())), "--ca", world.ca, guest(world.tls)).good()


def a_clock_that_nobody_set(world):
    ran = firmware("--time", "0", "--ca", world.ca, guest(world.tls))
    ran.bad('"tls" to 10.0.2.2:', "failed to get current time", "time_provider")


def without_tls_no_clock_is_needed(world):
    firmware("--time", "0", guest(world.tcp)).good()


# The cable, and the peer, in the middle of a transfer


class Cabled:
    """A firmware whose cable can be pulled, by QEMU's monitor. It runs once `start` was called."""

    def __init__(self, directory, elf, *arguments):
        path = os.path.join(directory, "monitor")
        self.process = subprocess.Popen(
            [BOOT, elf, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "MIMIC_MONITOR": path},
        )
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.settimeout(LIMIT)
        for _ in range(500):
            try:
                self.monitor.connect(path)
                break
            except OSError:
                time.sleep(0.01)
        self.wait()

    def wait(self):
        seen = b""
        while b"(qemu) " not in seen:
            piece = self.monitor.recv(10_000)
            assert piece, "QEMU has gone"
            seen += piece

    def say(self, command):
        self.monitor.sendall(command.encode() + b"\n")
        self.wait()

    def start(self):
        # QEMU may end before its next prompt.
        self.monitor.sendall(b"cont\n")

    def pull(self):
        self.say("set_link lan9118.0 off")

    def plug(self):
        self.say("set_link lan9118.0 on")

    def end(self):
        """As of a firmware that was run at once."""
        ran = object.__new__(Ran)
        begun = time.monotonic()
        try:
            ran.out, err = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end within {LIMIT} s: {self.process.communicate()}")
        ran.code, ran.err, ran.seconds = self.process.returncode, err.decode(), time.monotonic() - begun
        return ran


class Midway:
    """A peer that echoes, and tells when it is in the middle of it."""

    def __init__(self, then=lambda conn: None):
        self.reached, self.then = threading.Event(), then
        self.peer = Peer(self.serve)

    def serve(self, conn):
        count = 0
        while piece := conn.recv(16_384):
            conn.sendall(piece)
            count += len(piece)
            if count > 200_000 and not self.reached.is_set():
                self.reached.set()
                self.then(conn)

    def wait(self):
        assert self.reached.wait(LIMIT), "the transfer did not begin"


def a_cable_that_is_pulled_in_a_transfer(world):
    midway = Midway()
    with tempfile.TemporaryDirectory() as directory:
        cabled = Cabled(directory, os.environ["MIMIC_BULK"], "--timeout", "2", midway.peer.url)
        cabled.start()
        midway.wait()
        cabled.pull()
        ran = cabled.end()
    ran.bad(midway.peer.url, "acknowledged nothing", "the link is down")
    assert 1.5 < ran.seconds < 15, f"{ran.seconds}"
    return f"{ran.seconds:.1f} s"


def a_cable_that_is_plugged_again_in_a_transfer(world):
    midway = Midway()
    with tempfile.TemporaryDirectory() as directory:
        cabled = Cabled(directory, os.environ["MIMIC_BULK"], midway.peer.url)
        cabled.start()
        midway.wait()
        cabled.pull()
        time.sleep(0.7)
        cabled.plug()
        # The echo is all that is wanted of it.
        first = cabled.process.stdout.readline()
        cabled.process.terminate()
        cabled.end()
    assert re.match(rb"1048576 bytes echoed, 0 of them wrong; \d+ ms", first), first
    return first.decode().strip()


def a_peer_that_resets_in_a_transfer(world):
    def reset(conn):
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        conn.close()

    midway = Midway(reset)
    ran = Ran([BOOT, os.environ["MIMIC_BULK"], midway.peer.url])
    ran.bad(midway.peer.url, "the connection was reset")


# No address


def dhcp(*arguments, **environment):
    return Ran([BOOT, os.environ["MIMIC_DHCP"], *arguments], env={**os.environ, **environment})


def dhcp_that_answers(world):
    """The address, the way to the peer, and the name server."""
    dhcp(guest(world.tcp)).good()
    return f"{dhcp(f'tcp://v4.test:{world.port(world.tcp)}').good().seconds:.2f} s"


def dhcp_that_never_answers(world):
    for url in (guest(world.tcp), f"tcp://v4.test:{world.port(world.tcp)}"):
        ran = dhcp("--timeout", "3", url, MIMIC_NETWORK="ipv4=off")
        # Before the deadline, which would not say why.
        ran.bad("the stack has no address: no DHCP server has answered")
        assert ran.seconds < 10, f"{ran.seconds}"


def a_cable_that_is_plugged_late(world):
    for late in (False, True):
        with tempfile.TemporaryDirectory() as directory:
            cabled = Cabled(directory, os.environ["MIMIC_DHCP"], "--timeout", "4", guest(world.tcp))
            cabled.pull()
            cabled.start()
            if late:
                time.sleep(1)
                cabled.plug()
            ran = cabled.end()
        if late:
            ran.good()
        else:
            ran.bad("the stack has no address: the link is down")


def an_address_that_is_lost_while_connecting(world):
    """As DHCP takes it when the link goes down: no refusal."""
    with tempfile.TemporaryDirectory() as directory:
        cabled = Cabled(directory, os.environ["MIMIC_DHCP"], "tcp://10.0.2.77:7")
        cabled.start()
        time.sleep(2)
        cabled.pull()
        ran = cabled.end()
    ran.bad('Tcp "tcp" to 10.0.2.77:7', "the stack lost the address", "the link is down")


# What takes its time, all at once


def no_cable_at_all(world):
    with tempfile.TemporaryDirectory() as directory:
        cabled = Cabled(directory, os.environ["MIMIC_FIRMWARE"], guest(world.tcp))
        cabled.pull()
        cabled.start()
        ran = cabled.end()
    ran.bad('Tcp "tcp" to 10.0.2.2:', "the peer did not answer", "the link is down")
    return ran


def a_dead_address(world):
    return firmware("tcp://10.0.2.77:7").bad('Tcp "tcp" to 10.0.2.77:7', "the peer did not answer")


def a_name(name, *words):
    def test(world):
        return firmware(f"tcp://{name}.bad.test:7").bad('Lookup "dns"', f"{name}.bad.test", *words)

    return test


def the_silent(world):
    """Each waits for its 10 s or so. They do it at one time."""
    silence = "no DNS server answered"
    names = [a_name("silent", silence), a_name("noise"), a_name("empty"), a_name("cut"), a_name("loop"), a_name("refused")]
    results = []

    def run(test):
        try:
            results.append(test(world).seconds)
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(test,)) for test in (no_cable_at_all, a_dead_address, *names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    assert len(results) == len(threads) and max(results) < 30, f"{results}"
    return f"{len(results)} of them, {min(results):.1f} to {max(results):.1f} s"


TESTS = [
    *(little_heap, little_heap_for_tls),
    *(a_clock_that_is_early, a_clock_that_is_late, a_clock_that_is_right, a_clock_that_nobody_set),
    *(without_tls_no_clock_is_needed, a_cable_that_is_pulled_in_a_transfer, a_cable_that_is_plugged_again_in_a_transfer),
    *(a_peer_that_resets_in_a_transfer, dhcp_that_answers, dhcp_that_never_answers, a_cable_that_is_plugged_late),
    *(an_address_that_is_lost_while_connecting, the_silent),
]
