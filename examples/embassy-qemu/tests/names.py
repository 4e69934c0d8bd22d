"""A name server on 127.0.0.1, for a few names, and for some that it does not answer as it should."""

import ipaddress
import socket
import struct
import threading

A, AAAA = 1, 28


def serve(names):
    """`names` maps a name to its addresses; others do not exist."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=loop, args=(server, names), daemon=True).start()


def loop(server, names):
    while True:
        query, client = server.recvfrom(512)
        try:
            server.sendto(misbehave(query) or answer(query, names), client)
        except Silent:
            pass
        except (IndexError, struct.error, UnicodeDecodeError):
            pass  # It is not a question.


class Silent(Exception):
    """There is no answer."""


def misbehave(query):
    """What is answered to a question for one of the names `*.bad.test`; nothing for others."""
    if b"\x03bad\x04test\0" not in query:
        return None
    name = query[13 : 13 + query[12]]
    head = struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
    match name:
        case b"silent":
            raise Silent
        case b"noise":
            return bytes(range(200))
        case b"empty":
            return b"\0"
        case b"cut":
            # Its record is missing.
            return query[:2] + head + query[12:]
        case b"loop":
            # The record's name is a pointer to itself.
            at = 0xC000 | len(query)
            return query[:2] + head + query[12:] + struct.pack("!HHHIHI", at, A, 1, 0, 4, 0x0A000202)
        case b"refused":
            return query[:2] + struct.pack("!HHHHH", 0x8185, 1, 0, 0, 0) + query[12:]
        case _:
            return None


def answer(query, names):
    """RFC 1035, section 4: one question, and all addresses of its type."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    question = query[12 : at + 5]
    [kind] = struct.unpack_from("!H", query, at + 1)
    known = names.get(".".join(labels).lower())
    records = b""
    count = 0
    for address in map(ipaddress.ip_address, known or []):
        if kind == (A if address.version == 4 else AAAA):
            # The name is the one at offset 12.
            records += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(address.packed)) + address.packed
            count += 1
    # A response, recursion available; NXDOMAIN if there is no such name.
    flags = 0x8180 | (0 if known else 3)
    return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + records
