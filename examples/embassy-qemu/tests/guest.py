"""The firmware and other programs, run to their ends."""

import os
import subprocess
import time
from pathlib import Path

from peers import LIMIT

WORKSPACE = Path(__file__).resolve().parent.parent
BOOT = WORKSPACE / "boot"
TRANSCRIPT = b"> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n"


class Ran:
    def __init__(self, command, limit=LIMIT, **options):
        begun = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit, **options)
        except subprocess.TimeoutExpired as expired:
            raise AssertionError(f"it did not end within {limit} s: {command}\n{expired.output}\n{expired.stderr}")
        self.seconds = time.monotonic() - begun
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr.decode()

    def __str__(self):
        return f"status {self.code}\n--- standard output\n{self.out!r}\n--- standard error\n{self.err[:1000]}"

    def good(self):
        assert self.code == 0, f"it failed: {self}"
        assert self.out == TRANSCRIPT, f"the transcript differs: {self}"
        assert self.err == "", f"it complains: {self}"
        return self

    def bad(self, *words, says=b"", code=1):
        """Ended with 1; the first line of the error, which is the whole reason, has all words."""
        assert self.code == code, f"another exit status than {code}: {self}"
        assert self.out == says, f"another transcript than {says!r}: {self}"
        first = self.err.split("\n", 1)[0]
        for word in words:
            assert word in first, f"{word!r} is not in the first line: {self}"
        return self


def firmware(*arguments):
    return Ran([BOOT, os.environ["MIMIC_FIRMWARE"], *arguments])
