"""`make lab`: a home to try things in, with a profile of its owner up on its host, until it is ended; then all of it is taken away."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from portable.model.progress import Event
from tests.lab.engine import bring_engine
from tests.lab.home.box import BEACON
from tests.lab.home.home import Home, home_up
from tests.lab.home.leftovers import FOLDER, clean

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def told(event: Event) -> None:
    """A line for each new thing."""
    if event.what != "line":
        print(event.sentence(), file=sys.stderr, flush=True)


def how(home: Home) -> str:
    """What a person types in another terminal."""
    stack = home.stack
    keys = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
    given = {key: value for key, value in stack.environment().items() if key in keys}
    export = " ".join(f"{key}={shlex.quote(value)}" for key, value in given.items())
    return f"""\
The host is up at {home.host.address}. Gluetun, and each app that can't be had here, is a stand-in. In another terminal:

    cd {shlex.quote(str(stack.folder))} && export {export}
    portable status -p lab
    portable verify -p lab --beacon http://{BEACON}/ --disruptive
    curl http://{home.host.address}:3000/    # what an app publishes on its LAN
    docker exec -it {home.host.name} bash    # a root shell on the host; its parts are {", ".join(part.name for part in home.parts[:-1])}

Ctrl-C here takes all of it away."""


def ended_once() -> None:
    """The first signal ends it, a terminal that is closed as well as Ctrl-C; those that come while all is taken away change nothing."""

    def first(_number: int, _frame: FrameType | None) -> None:
        for sign in _ENDING:
            signal.signal(sign, later)
        raise KeyboardInterrupt

    def later(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            os.write(2, b"it is being taken away\n")

    for sign in _ENDING:  # also where a shell started this in the background, and gave it none of Ctrl-C
        if sign is not signal.SIGHUP or signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, first)


def main() -> int:
    """Bring it up, say how it is used, and wait to be ended."""
    parser = argparse.ArgumentParser(prog="make lab", description=__doc__)
    parser.add_argument("--profile", default="zimaboard", choices=("zimaboard", "zimaboard-8gb"), help="the owner's profile to run")
    parser.add_argument("--clean", action="store_true", help="only take away what runs left that were killed")
    asked = parser.parse_args()
    ended_once()
    if asked.clean:
        for lab in clean():
            print(f"taken away: {lab}")
        return 0
    try:
        with (
            bring_engine() as engine,
            tempfile.TemporaryDirectory(prefix=FOLDER, ignore_cleanup_errors=True) as folder,
            home_up(engine, Path(folder), lambda: 0, told, profile=asked.profile) as home,
        ):
            ran = home.stack.portable("up", code=None)
            print(ran.out if ran.code == 0 else str(ran), how(home), sep="\n", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # a terminal that was closed
            print("taken away", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
