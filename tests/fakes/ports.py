"""Ports for servers under test."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """One that nobody listens on, below those that the kernel gives to connections: one of these would take it."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
