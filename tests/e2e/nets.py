"""nets.py - loopback addresses of this test's own, so that several servers can
have the ports that the rest of the world knows them by (25, 53, 443).

    mx = nets.address(25)            # 127.a.b.c, nobody else's
"""
import os
import socket

import ll

state = {"next": 1}


def address(*ports):
    """A new address; skips the test where those ports can't be had (that
    takes root, or the capability to bind low ports)."""
    pid = os.getpid()
    n = state["next"]
    state["next"] += 1
    assert n < 255, "too many addresses"
    found = f"127.{64 + (pid >> 8) % 128}.{pid & 255}.{n}"
    for port in ports:
        try:
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((found, port))
        except OSError as why:
            raise ll.Skip(f"port {port} of {found} can't be bound: {why}")
    return found
