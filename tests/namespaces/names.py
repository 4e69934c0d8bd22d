#!/usr/bin/env python3
"""What `lookups` asks and talks to: a DNS server, and a TCP server on every address, as threads of a process.

    names.py PORT        says `ready`, then reads requests, one a line, and answers each by a line of JSON

`zone JSON` replaces the zone, {name: {"A": [...], "AAAA": [...], "CNAME": name}}, and forgets what was asked; `asked`
answers with the questions since then, as ["name", "TYPE"]. The TCP server waits for the end of a request of HTTP, or of
the stream, and answers with the address that was reached.
"""

import json
import socket
import struct
import sys
import threading

TYPES = {1: "A", 5: "CNAME", 28: "AAAA"}
UDP_MOST = 512


class Names:
    def __init__(self):
        self.zone, self.asked = {}, []

    def answer(self, query, most):
        """The answer to a query of one question; cut down to the header if it is longer than `most`."""
        number, flags, _, _, _, _ = struct.unpack_from("!6H", query)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
            at += 1 + query[at]
        question = query[12 : at + 5]
        name, kind = ".".join(labels), TYPES.get(struct.unpack_from("!H", query, at + 1)[0], "other")
        self.asked.append((name, kind))

        records = []
        has = self.zone.get(name)
        while has and "CNAME" in has:
            records.append((name, 5, packed(has["CNAME"])))
            name, has = has["CNAME"], self.zone.get(has["CNAME"])
        for address in (has or {}).get(kind, []):
            family = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
            records.append((name, 28 if kind == "AAAA" else 1, socket.inet_pton(family, address)))
        code = 0 if has is not None or records else 3
        body = b"".join(packed(of) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data for of, kind, data in records)
        response = 0x8480 | flags & 0x0100 | code
        whole = struct.pack("!6H", number, response, 1, len(records), 0, 0) + question + body
        if len(whole) > most:
            return struct.pack("!6H", number, response | 0x0200, 1, 0, 0, 0) + question
        return whole


def packed(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def over_udp(names, udp):
    while True:
        query, peer = udp.recvfrom(4096)
        udp.sendto(names.answer(query, UDP_MOST), peer)


def over_tcp(names, stream):
    while length := exactly(stream, 2):
        whole = names.answer(exactly(stream, *struct.unpack("!H", length)), 65535)
        stream.sendall(struct.pack("!H", len(whole)) + whole)


def exactly(stream, size):
    taken = b""
    while len(taken) < size and (more := stream.recv(size - len(taken))):
        taken += more
    return taken


def reached(stream):
    """Says which address was reached."""
    request = b""
    while b"\r\n\r\n" not in request and (more := stream.recv(4096)):
        request += more
    text = json.dumps(stream.getsockname()[0]).encode()
    stream.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


def serve(listener, what, *args):
    def one(stream):
        with stream:
            try:
                what(*args, stream)
            except OSError:
                pass  # Clients may go when they like.

    def all_of_them():
        while True:
            start(one, listener.accept()[0])

    start(all_of_them)


def start(what, *args):
    threading.Thread(target=what, args=args, daemon=True).start()


def main():
    names = Names()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 53))
    start(over_udp, names, udp)
    serve(socket.create_server(("127.0.0.1", 53)), over_tcp, names)
    for family, host in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"):
        serve(socket.create_server((host, int(sys.argv[1])), family=family, backlog=64), reached)
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, rest = line.partition(" ")
        if word == "zone":
            names.zone, names.asked = json.loads(rest), []
            print("{}", flush=True)
        else:
            print(json.dumps(names.asked), flush=True)


if __name__ == "__main__":
    main()
