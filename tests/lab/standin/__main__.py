"""Starts as the image that it stands for does: prepares its folders as root where that one would, becomes its user, and ends when told to.

What takes time to load is loaded after traffic to the outside has begun: an app may send from its first instant.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from . import outside

TOLD = Path("/standin.json")
"""The description that this container was given, as tests/lab/standins.py writes it."""
BEFORE = Path("/container-init.d")
"""Scripts that run before each start, as Kubo's image has it (https://docs.ipfs.tech/install/run-ipfs-inside-docker/)."""
_LSIO = "911"
"""User and group of LinuxServer.io's images where none is told (https://docs.linuxserver.io/general/understanding-puid-and-pgid)."""
_WRITES_SECONDS = 1.0


def main() -> int:
    """Run the app in a process of its own, hand SIGTERM on to it, and take orphans; returns its exit code."""
    told = json.loads(TOLD.read_text())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        become(told)
        return run(told)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def become(told: dict[str, Any]) -> None:
    """Take the user that the image would: the container's own, PUID and PGID once its folders are theirs, or root."""
    os.umask(int(os.environ.get("UMASK", "022"), 8))
    if os.getuid() or told["identity"] != "puid-pgid":
        return
    uid, gid = int(os.environ.get("PUID", _LSIO)), int(os.environ.get("PGID", _LSIO))
    for folder in (*told["state"], *told["caches"]):
        os.chown(folder, uid, gid)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def run(told: dict[str, Any]) -> int:
    """The app itself, until SIGTERM."""
    traffic = outside.begin(told["outside"])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    from .app import App

    from_files()
    for script in sorted(BEFORE.glob("*.sh")):
        subprocess.run([script], check=True)
    app = App(told, traffic)
    try:
        app.serve()
        app.tick()
        print(f"stand-in for {told['app']} ({told['container']}) is ready, as {os.getuid()}:{os.getgid()}")
        while not stop.wait(_WRITES_SECONDS):
            app.tick()
    finally:
        app.close()
    print("ended as it was told")
    return 0


def from_files() -> None:
    """FILE__X: the environment's X from that file, as LinuxServer.io's images read it."""
    for name in [name for name in os.environ if name.startswith("FILE__")]:
        os.environ[name.removeprefix("FILE__")] = Path(os.environ[name]).read_text().strip()


if __name__ == "__main__":
    sys.exit(main())
