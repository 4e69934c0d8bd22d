"""Servers for the guest, in this process."""

import socket
import ssl
import threading
import time

# For one run; none takes more than a few seconds.
LIMIT = 60


class Peer:
    """A server of this script on 127.0.0.1, which the guest sees at 10.0.2.2: `serve` gets each connection."""

    def __init__(self, serve, scheme="tcp"):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{scheme}://10.0.2.2:{self.port}"
        self.serve = serve
        # What became of each connection: what `serve` answered, or the error that it ended with.
        self.ends = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            conn.settimeout(LIMIT)
            try:
                self.ends.append(self.serve(conn))
            except OSError as error:
                self.ends.append(error)
            conn.close()

    def end(self):
        """How the first connection ended; it may take a moment to see the guest go."""
        for _ in range(500):
            if self.ends:
                return self.ends[0]
            time.sleep(0.01)
        raise AssertionError("the peer saw no connection end")


def answer(conn):
    """The line protocol, until the peer ends its side."""
    answers = {b"ping\n": b"pong\n", b"pong\n": b"ping\n"}
    lines = conn.makefile("rwb")
    for line in lines:
        lines.write(answers.get(line, line))
        lines.flush()
    return "end"


def tls(identity, serve=answer, change=lambda context: None):
    """A TLS server by OpenSSL, and what it serves inside."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity)
    change(context)

    def handshake(conn):
        with context.wrap_socket(conn, server_side=True) as inside:
            end = serve(inside)
            try:
                inside.unwrap()
            except (OSError, ValueError):
                pass  # The guest has gone, or this side was cut.
            return end

    return Peer(handshake, "tls")


def parrot(conn):
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while piece := conn.recv(65536):
        conn.sendall(piece)
