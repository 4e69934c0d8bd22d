"""Certificates for the tests, by openssl: chains in files, each a pair of the chain and its key."""

import datetime
import subprocess
from pathlib import Path

# How the guest names this machine, and how the hosted binary does.
HERE = "IP:10.0.2.2,IP:127.0.0.1,DNS:v4.test"
EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]


class Certificates:
    def __init__(self, directory):
        self.directory = Path(directory)
        authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        self.ca = self.issue("ca", authority)[0]
        self.other_ca = self.issue("other-ca", authority)[0]
        self.impostor = self.issue("impostor", authority, subject="ca")[0]
        self.issue("intermediate", authority, by="ca")

        self.good = self.issue("good", leaf(HERE), by="intermediate")
        self.rsa = self.issue("rsa", leaf(HERE), by="ca", algorithm=RSA)
        self.elsewhere = self.issue("elsewhere", leaf("DNS:elsewhere.test,IP:10.0.2.3"), by="intermediate")
        self.self_signed = self.issue("self-signed", leaf(HERE))
        self.by_a_leaf = self.issue("by-a-leaf", leaf(HERE), by="good")
        self.expired = self.issue("expired", leaf(HERE), by="intermediate", days=(-2, -1))
        self.early = self.issue("early", leaf(HERE), by="intermediate", days=(1, 2))

    def issue(self, name, extensions, by=None, subject=None, algorithm=EC, days=(-1, 30)):
        """A certificate; the chain is it and all that lead to the authority, which is not in it."""
        key, request, certificate = (self.path(f"{name}.{kind}") for kind in ("key", "csr", "pem"))
        openssl("req", "-new", *algorithm, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={subject or name}")
        # `ca` and not `x509`, which in OpenSSL 3.0 cannot say when a certificate begins.
        self.file("index.txt", "")
        config = self.file(
            "ca.conf",
            "[ca]\ndefault_ca=own\n[own]\n"
            f"database={self.path('index.txt')}\nnew_certs_dir={self.directory}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n[own_extensions]\n" + extensions,
        )
        signer = ["-selfsign", "-keyfile", key] if by is None else ["-cert", self.path(f"{by}.pem"), "-keyfile", self.path(f"{by}.key")]
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = ((now + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
        openssl(
            *("ca", "-batch", "-notext", "-config", config, "-extensions", "own_extensions", *signer),
            *("-in", request, "-out", certificate, "-startdate", start, "-enddate", end),
        )
        below = self.path(f"{by}.chain").read_text() if by not in (None, "ca") else ""
        chain = self.file(f"{name}.chain", certificate.read_text() + below)
        return (chain, str(key))

    def first_of(self, chain):
        end = "-----END CERTIFICATE-----\n"
        return self.file("first.pem", Path(chain).read_text().split(end)[0] + end)

    def path(self, name):
        return self.directory / name

    def file(self, name, text):
        self.path(name).write_text(text)
        return str(self.path(name))


def leaf(names):
    return f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName={names}\n"


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments}: {done.stderr}")
