"""Accepts one connection, waits until it is told to go on, sends, and says whether a reset comes back.

`late_peer.py FOLDER`: writes its port into the FIFO `port` there, then into `accepted`; waits for a line in `go`.
"""

import socket
import sys
import time
from pathlib import Path

SECONDS = 3


def main() -> None:
    """Print `reset` or `silence`."""
    listener = socket.create_server(("203.0.113.9", 0))
    folder = Path(sys.argv[1])
    (folder / "port").write_text(f"{listener.getsockname()[1]}\n")
    connection, _ = listener.accept()
    (folder / "accepted").write_text("yes\n")
    (folder / "go").read_text()
    end = time.monotonic() + SECONDS
    heard = "silence"
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while time.monotonic() < end and heard == "silence":
        try:
            connection.send(b"late")
            time.sleep(0.1)
        except ConnectionResetError:
            heard = "reset"
        except OSError:  # for example while nobody has the address
            time.sleep(0.1)
    print(heard)


main()
