#!/usr/bin/env python3
"""A mail server with STARTTLS for one mailbox: mail.py imap|smtp PORT CERTIFICATE KEY.

It knows the commands that the rows of the table use, and answers BAD or 500 to all others.
"""
import socketserver
import ssl
import sys

PROTOCOL, PORT, CERTIFICATE, KEY = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
MESSAGE = b"Subject: mimic\r\n\r\n" + b"any transport\r\n" * 20000


class Session(socketserver.StreamRequestHandler):
    def send(self, *lines):
        self.wfile.write(b"".join(line + b"\r\n" for line in lines))
        self.wfile.flush()

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def handle(self):
        try:
            self.imap() if PROTOCOL == "imap" else self.smtp()
        except (OSError, ssl.SSLError) as error:
            print(error, file=sys.stderr)

    def imap(self, in_tls=False):
        if not in_tls:
            self.send(b"* OK ready")
        for line in self.rfile:
            tag, command, *rest = line.split()
            match command.upper():
                case b"STARTTLS" if not in_tls:
                    self.send(tag + b" OK begin")
                    self.start_tls()
                    return self.imap(True)
                case b"LOGIN" if rest == [b'"user"', b'"secret"']:
                    self.send(tag + b" OK in")
                case b"SELECT":
                    self.send(b"* FLAGS (\\Seen)", b"* 1 EXISTS", b"* 0 RECENT", tag + b" OK [READ-WRITE] selected")
                case b"FETCH":
                    self.wfile.write(b"* 1 FETCH (RFC822 {%d}\r\n" % len(MESSAGE) + MESSAGE + b")\r\n")
                    self.send(tag + b" OK fetched")
                case b"LOGOUT":
                    return self.send(b"* BYE", tag + b" OK out")
                case _:
                    self.send(tag + b" BAD unknown")

    def smtp(self, in_tls=False):
        if not in_tls:
            self.send(b"220 ready")
        for line in self.rfile:
            match line.split()[0].upper():
                case b"EHLO":
                    self.send(b"250-localhost", b"250 SIZE 1000000" if in_tls else b"250 STARTTLS")
                case b"STARTTLS" if not in_tls:
                    self.send(b"220 begin")
                    self.start_tls()
                    return self.smtp(True)
                case b"MAIL" | b"RCPT":
                    self.send(b"250 ok")
                case b"DATA":
                    self.send(b"354 go on")
                    size = 0
                    while (line := self.rfile.readline()) not in (b".\r\n", b""):
                        size += len(line)
                    self.send(b"250 %d bytes%s" % (size, b" in TLS" if in_tls else b""))
                case b"QUIT":
                    return self.send(b"221 bye")
                case _:
                    self.send(b"500 unknown")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


Server(("127.0.0.1", PORT), Session).serve_forever()
