"""The engine of vectors in a process of a test's own, to be stopped and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


class Engine:
    """An engine of a test's own, to be stopped and killed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = str(home / "vectors.sock")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gateway.stores.vectors_engine", str(self.home), self.socket]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        with self.process:
            return self.process.wait(10)
