"""Peers that no library makes: a server of TLS 1.3 with a fault of choice, and a relay that does harm.

The server is the least that can be (RFC 8446): TLS_AES_128_GCM_SHA256, X25519, ECDSA over P-256, no tickets; slow, and
not for secrets.
"""

import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

HANDSHAKE, APPLICATION, CHANGE_CIPHER_SPEC = 22, 23, 20


def peer(make, identity, fault):
    """A server with one fault, or without any: `nothing` (of a certificate), `no certificate` (in the message), `no
    proof` (of having its key), `another key`, `another handshake`, `wrong finished`."""
    chain, key = identity
    pems = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", Path(chain).read_text(), re.S)
    ders = [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]
    return make(lambda conn: Server(conn, ders, key, fault).serve(), "tls")


class Server:
    def __init__(self, conn, chain, key, fault):
        self.file = conn.makefile("rwb")
        self.chain, self.key, self.fault = chain, key, fault
        self.transcript = b""

    def serve(self):
        share, session = self.client_hello()
        secret = os.urandom(32)
        hello = b"\x03\x03" + os.urandom(32) + opaque(1, session) + b"\x13\x01\x00"
        extensions = struct.pack("!HHH", 43, 2, 0x0304) + struct.pack("!HHHH", 51, 36, 29, 32) + x25519(secret)
        hello = self.message(2, hello + opaque(2, extensions))
        self.send(HANDSHAKE, hello)
        # Section 7.1.
        early = extract(bytes(32), bytes(32))
        handshake = extract(derive(early, "derived", b""), x25519(secret, share))
        client_secret = derive(handshake, "c hs traffic", self.transcript)
        server_secret = derive(handshake, "s hs traffic", self.transcript)
        master = extract(derive(handshake, "derived", b""), bytes(32))
        out, into = Keys(server_secret), Keys(client_secret)

        flight = self.message(8, b"\0\0")
        certificates = [] if self.fault == "no certificate" else self.chain
        entries = b"".join(opaque(3, der) + b"\0\0" for der in certificates)
        if self.fault != "nothing":
            flight += self.message(11, b"\0" + opaque(3, entries))
        if self.fault not in ("nothing", "no proof"):
            flight += self.message(15, b"\x04\x03" + opaque(2, self.proof()))
        verify = finished(server_secret, self.transcript)
        flight += self.message(20, bytes(32) if self.fault == "wrong finished" else verify)
        self.send(APPLICATION, out.seal(flight + bytes([HANDSHAKE])))

        client_finished = self.receive(into)
        if client_finished is None or client_finished[0] != HANDSHAKE:
            return f"the client ended the handshake with {client_finished}"
        assert client_finished[1][4:] == finished(client_secret, self.transcript), "its Finished is wrong"
        out, into = (Keys(derive(master, f"{side} ap traffic", self.transcript)) for side in "sc")
        answers = {b"ping\n": b"pong\n", b"pong\n": b"ping\n"}
        while (record := self.receive(into)) and record[0] == APPLICATION:
            line = answers.get(record[1], record[1])
            self.send(APPLICATION, out.seal(line + bytes([APPLICATION])))
        return f"the client ended with {record}"

    def client_hello(self):
        """Its key share for X25519, and its session id."""
        _, body = self.record()
        self.transcript = body
        session = body[39 : 39 + body[38]]
        at = 39 + len(session)
        at += 2 + int.from_bytes(body[at : at + 2], "big")
        at += 1 + body[at] + 2
        while at < len(body):
            kind, length = struct.unpack_from("!HH", body, at)
            extension = body[at + 4 : at + 4 + length]
            at += 4 + length
            if kind == 51:
                share = 2
                while share < length:
                    group, size = struct.unpack_from("!HH", extension, share)
                    if group == 29:
                        return extension[share + 4 : share + 4 + size], session
                    share += 4 + size
        raise AssertionError("the client has no key share for X25519")

    def proof(self):
        """CertificateVerify (section 4.4.3)."""
        transcript = b"another" if self.fault == "another handshake" else self.transcript
        content = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + hashlib.sha256(transcript).digest()
        if self.fault != "another key":
            return sign(self.key, content)
        with tempfile.NamedTemporaryFile() as other:
            make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other.name]
            subprocess.run(make, check=True, capture_output=True)
            return sign(other.name, content)

    def message(self, kind, body):
        message = bytes([kind]) + opaque(3, body)
        self.transcript += message
        return message

    def send(self, kind, body):
        self.file.write(struct.pack("!BHH", kind, 0x0303, len(body)) + body)
        self.file.flush()

    def record(self):
        header = self.file.read(5)
        if len(header) < 5:
            return None
        kind, _, length = struct.unpack("!BHH", header)
        return kind, self.file.read(length)

    def receive(self, keys):
        """The next record that is not for middleboxes, opened: its true type, and what is in it."""
        while record := self.record():
            kind, body = record
            if kind == CHANGE_CIPHER_SPEC:
                continue
            if kind != APPLICATION:
                return kind, body
            inner = keys.open(body).rstrip(b"\0")
            return inner[-1], inner[:-1]
        return None


def relay(conn, port, cut, flip=False):
    """Passes records on between a client and the TLS server at a port; from the server only so many bytes, or with the
    first answer of five bytes damaged."""
    with socket.create_connection(("127.0.0.1", int(port))) as server:

        def forth():
            try:
                while piece := conn.recv(4096):
                    server.sendall(piece)
                server.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # One of them has gone.

        threading.Thread(target=forth, daemon=True).start()
        passed, records = 0, server.makefile("rb")
        while len(header := records.read(5)) == 5:
            record = bytearray(header + records.read(int.from_bytes(header[3:], "big")))
            # Five bytes, the type and the tag.
            if flip and header[0] == APPLICATION and len(record) == 5 + 5 + 1 + 16:
                record[-1] ^= 1
                flip = False
            if cut is not None and passed + len(record) > cut:
                conn.sendall(record[: cut - passed])
                return "cut"
            conn.sendall(record)
            passed += len(record)
        return "end"


def sign(key, content):
    command = ["openssl", "dgst", "-sha256", "-sign", key]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def opaque(width, body):
    return len(body).to_bytes(width, "big") + body


# The key schedule (RFC 8446, section 7.1; RFC 5869).


def extract(salt, secret):
    return hmac.digest(salt, secret, "sha256")


def expand(secret, label, context, length):
    info = length.to_bytes(2, "big") + opaque(1, b"tls13 " + label.encode()) + opaque(1, context) + b"\1"
    return hmac.digest(secret, info, "sha256")[:length]


def derive(secret, label, messages):
    return expand(secret, label, hashlib.sha256(messages).digest(), 32)


def finished(secret, transcript):
    return hmac.digest(expand(secret, "finished", b"", 32), hashlib.sha256(transcript).digest(), "sha256")


class Keys:
    """One direction: sealing and opening records (section 5.2)."""

    def __init__(self, secret):
        self.aes = Aes(expand(secret, "key", b"", 16))
        self.iv = int.from_bytes(expand(secret, "iv", b"", 12), "big")
        self.number = 0

    def nonce(self):
        nonce = (self.iv ^ self.number).to_bytes(12, "big")
        self.number += 1
        return nonce

    def header(self, length):
        return struct.pack("!BHH", APPLICATION, 0x0303, length)

    def seal(self, inner):
        nonce = self.nonce()
        sealed = self.aes.count(nonce, inner)
        return sealed + self.aes.tag(nonce, self.header(len(sealed) + 16), sealed)

    def open(self, body):
        nonce, sealed = self.nonce(), body[:-16]
        assert body[-16:] == self.aes.tag(nonce, self.header(len(body)), sealed), "the client's record is damaged"
        return self.aes.count(nonce, sealed)


# AES-128-GCM (FIPS 197, NIST SP 800-38D).


def doubled(byte):
    return (byte << 1) ^ (0x11B if byte & 0x80 else 0)


def substitution():
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= doubled(p) & 0xFF if p < 0x80 else doubled(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        turned = q
        for by in range(1, 5):
            turned ^= (q << by | q >> 8 - by) & 0xFF
        box[p] = turned ^ 0x63
        if p == 1:
            return box


BOX = substitution()


class Aes:
    def __init__(self, key):
        words = [key[at : at + 4] for at in range(0, 16, 4)]
        constant = 1
        for at in range(4, 44):
            word = words[-1]
            if at % 4 == 0:
                word = bytes(BOX[byte] for byte in word[1:] + word[:1])
                word = bytes([word[0] ^ constant]) + word[1:]
                constant = doubled(constant)
            words.append(bytes(a ^ b for a, b in zip(word, words[at - 4])))
        self.rounds = [b"".join(words[at : at + 4]) for at in range(0, 44, 4)]
        self.h = int.from_bytes(self.block(bytes(16)), "big")

    def block(self, block):
        state = [a ^ b for a, b in zip(block, self.rounds[0])]
        for number, key in enumerate(self.rounds[1:], 1):
            state = [BOX[byte] for byte in state]
            state = [state[(at + 4 * (at % 4)) % 16] for at in range(16)]
            if number < 10:
                mixed = []
                for at in range(0, 16, 4):
                    a, b, c, d = state[at : at + 4]
                    for one, two, three, four in ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c)):
                        mixed.append(doubled(one) ^ doubled(two) ^ two ^ three ^ four)
                state = mixed
            state = [a ^ b for a, b in zip(state, key)]
        return bytes(state)

    def count(self, nonce, text):
        out = b""
        for at in range(0, len(text), 16):
            stream = self.block(nonce + (2 + at // 16).to_bytes(4, "big"))
            out += bytes(a ^ b for a, b in zip(text[at : at + 16], stream))
        return out

    def tag(self, nonce, header, sealed):
        padded = lambda text: text + bytes(-len(text) % 16)
        blocks = padded(header) + padded(sealed) + struct.pack("!QQ", 8 * len(header), 8 * len(sealed))
        hash = 0
        for at in range(0, len(blocks), 16):
            x, product, v = hash ^ int.from_bytes(blocks[at : at + 16], "big"), 0, self.h
            for bit in range(127, -1, -1):
                if x >> bit & 1:
                    product ^= v
                v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
            hash = product
        mask = int.from_bytes(self.block(nonce + b"\0\0\0\1"), "big")
        return (hash ^ mask).to_bytes(16, "big")


def x25519(scalar, point=(9).to_bytes(32, "little")):
    """RFC 7748, section 5."""
    p = 2**255 - 19
    k = int.from_bytes(scalar, "little") & ~7 & (2**254 - 1) | 2**254
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for at in range(254, -1, -1):
        bit = k >> at & 1
        if swapped ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        x3, z3 = (da + cb) ** 2 % p, x1 * (da - cb) ** 2 % p
        e = aa - bb
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")
