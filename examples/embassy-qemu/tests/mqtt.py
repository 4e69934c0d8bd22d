"""The publisher against mosquitto: what it publishes arrives at a subscriber, and what must fail names the layer.

    guest ── QEMU's user-mode network ── 127.0.0.1: mosquitto ── mosquitto_sub, which prints what arrived
"""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from guest import BOOT, WORKSPACE, Ran
from peers import LIMIT, Peer

# What it runs.
TOOLS = ("mosquitto", "mosquitto_passwd", "mosquitto_sub")


def publisher(*arguments):
    return Ran([BOOT, os.environ["MIMIC_MQTT"], *arguments])


class Broker:
    """A mosquitto on two ports, in clear text and by TLS. `sensor` has a password, and so has who else logs in."""

    def __init__(self, directory, identity, settings="allow_anonymous true\n"):
        self.log = Path(directory, "log")
        passwords = Path(directory, "passwords")
        command = ["mosquitto_passwd", "-c", "-b", str(passwords), "sensor", "s@cret"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        self.tcp, self.tls = free_port(), free_port()
        config = Path(directory, "conf")
        chain, key = identity
        config.write_text(
            # As root it would change to a user that cannot read the files.
            f"user root\nlog_type all\n{settings}password_file {passwords}\n"
            f"listener {self.tcp} 127.0.0.1\nlistener {self.tls} 127.0.0.1\ncertfile {chain}\nkeyfile {key}\n"
        )
        self.process = subprocess.Popen(
            ["mosquitto", "-c", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log.open("w")
        )
        # The last of its listeners.
        until(lambda: self.process.poll() is not None or listens(self.tls), "mosquitto listens")
        assert self.process.poll() is None, f"mosquitto ended: {self.log.read_text()}"

    def arrives(self, topic, publish):
        """What a subscriber gets of what `publish` publishes."""
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.tcp), "-u", "sensor", "-P", "s@cret"]
        command += ["-t", topic, "-v", "-C", "1", "-W", str(LIMIT)]
        known = self.log.read_text().count("Sending SUBACK")
        subscriber = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            until(lambda: self.log.read_text().count("Sending SUBACK") > known, "mosquitto_sub has subscribed")
            publish()
            return subscriber.communicate(timeout=LIMIT)[0]
        finally:
            subscriber.kill()
            subscriber.wait()

    def end(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def broker(*arguments):
    with tempfile.TemporaryDirectory() as directory:
        running = Broker(directory, *arguments)
        try:
            yield running
        finally:
            running.end()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(done, what):
    end = time.monotonic() + LIMIT
    while not done():
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        time.sleep(0.01)


def published(running, topic, boot):
    """The firmware says what it has published, and the subscriber gets just that."""
    ran = []
    arrived = running.arrives(topic, lambda: ran.append(boot()))
    [ran] = ran
    assert ran.code == 0 and ran.err == "", f"it failed: {ran}"
    said = re.fullmatch(rf"published to {topic}: (heap: \d+ bytes)\n", ran.out.decode())
    assert said, f"it says something else: {ran}"
    assert arrived == f"{topic} {said[1]}\n", f"another message than that of {ran} arrived: {arrived!r}"


# What must arrive


def mqtt_plain(world):
    with broker(world.certificates.good) as running:
        published(running, "sensors/7", lambda: publisher(f"tcp://10.0.2.2:{running.tcp}/sensors/7"))


def mqtt_over_tls(world):
    runs = min(world.runs, 10)
    with broker(world.certificates.good) as running:
        for number in range(runs):
            url = f"tls://10.0.2.2:{running.tls}/sensors/{number}"
            published(running, f"sensors/{number}", lambda: publisher("--ca", world.ca, url))
        # It said goodbye, after each message.
        left = running.log.read_text().count("Received DISCONNECT from auto-")
        assert left >= runs, f"{left} of {runs} said goodbye"
    return f"{runs} of {runs}"


def mqtt_over_tls_by_name_with_a_password(world):
    with broker(world.certificates.good, "allow_anonymous false\n") as running:
        url = f"tls://sensor:s%40cret@v4.test:{running.tls}/sensors/7"
        published(running, "sensors/7", lambda: publisher("--ca", world.ca, url))
        anonymous = publisher("--ca", world.ca, f"tls://v4.test:{running.tls}/sensors/7")
        anonymous.bad("mqtt to tls://v4.test:", "the broker refused the client: NotAuthorized")


def mqtt_by_run(world):
    with broker(world.certificates.good) as running:
        url = f"tls://10.0.2.2:{running.tls}/sensors/7"
        # It may have to build first.
        boot = lambda: Ran([WORKSPACE / "run", "--mqtt", "--ca", world.ca, url], limit=600)  # noqa: E731
        published(running, "sensors/7", boot)


# What must fail


def mqtt_broker_is_down(world):
    port = free_port()
    publisher(f"tcp://10.0.2.2:{port}/sensors/7").bad('Tcp "tcp"', f"10.0.2.2:{port}", "refused")


def mqtt_certificate_for_another_name(world):
    with broker(world.certificates.elsewhere) as running:
        ran = publisher("--ca", world.ca, f"tls://10.0.2.2:{running.tls}/sensors/7")
        ran.bad('"tls" to 10.0.2.2:', "handshake failed", "NotValidForName")
        assert "Received CONNECT" not in running.log.read_text(), "it has logged in"


def mqtt_wrong_password(world):
    with broker(world.certificates.good) as running:
        for scheme, port in (("tcp", running.tcp), ("tls", running.tls)):
            ran = publisher("--ca", world.ca, f"{scheme}://sensor:guessed@10.0.2.2:{port}/sensors/7")
            ran.bad(f"mqtt to {scheme}://", "the broker refused the client: NotAuthorized", "give a user and a password")
            assert "guessed" not in ran.err, f"it tells the password: {ran}"


def mqtt_topic_that_is_not_allowed(world):
    with tempfile.TemporaryDirectory() as directory:
        rules = Path(directory, "acl")
        rules.write_text("topic read #\n")
        with broker(world.certificates.good, f"allow_anonymous true\nacl_file {rules}\n") as running:
            ran = publisher(f"tcp://10.0.2.2:{running.tcp}/sensors/7")
            ran.bad("mqtt to tcp://", "the broker refused the message: NotAuthorized")


def mqtt_silent_broker(world):
    ran = publisher("--timeout", "1.5", f"{Peer(lambda conn: conn.recv(100) and conn.recv(100)).url}/sensors/7")
    ran.bad("mqtt to tcp://10.0.2.2:", "not done within")
    assert ran.seconds < 20, f"{ran.seconds}"


def mqtt_no_broker_at_all(world):
    peer = Peer(lambda conn: conn.sendall(b"SSH-2.0-OpenSSH_9.2\r\n") or conn.recv(100))
    publisher(f"{peer.url}/sensors/7").bad("mqtt to tcp://10.0.2.2:", "not MQTT 5")
    closes = Peer(lambda conn: conn.recv(100) and "closed")
    publisher(f"{closes.url}/sensors/7").bad("mqtt to tcp://10.0.2.2:", "the broker closed the connection")


def mqtt_without_a_topic(world):
    for path in ("", "/", "/a/%23", "/%ff"):
        publisher(f"tcp://10.0.2.2:7{path}").bad("topic")


TESTS = [
    *(mqtt_plain, mqtt_over_tls, mqtt_over_tls_by_name_with_a_password, mqtt_by_run),
    *(mqtt_broker_is_down, mqtt_certificate_for_another_name, mqtt_wrong_password, mqtt_topic_that_is_not_allowed),
    *(mqtt_silent_broker, mqtt_no_broker_at_all, mqtt_without_a_topic),
]
