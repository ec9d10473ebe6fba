"""`python -m tests.compose_lab.upper PROJECT VERSION`: one `up` in a process of its own, to be killed, watched or interrupted."""

import logging
import os
import signal
import sys
from pathlib import Path

from portable.engines.docker.address import resolve
from portable.engines.docker.engine import Engine
from portable.live.compose import verbs as compose
from portable.model.errors import INTERRUPTED, PortableError
from tests.compose_lab.stacks import SOURCE, body, changed, set_secrets, stack


def main(project: str, version: str, engine: str | None = None) -> int:
    """Bring up that version of the stack: another one changes the gateway's and the lone app's files."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that a shell put into the background would ignore it
    document = changed(body(project), "configs", "gateway-ready", "content", to=f"{version}\n")
    document = changed(document, "configs", "lone-conf", "content", to=f"{version}\n")
    if "PORTABLE_SECRET_TOKEN" not in os.environ:
        set_secrets()
    if os.environ.get("DEBUG_LOG"):
        logging.basicConfig(level=logging.DEBUG, filename=os.environ["DEBUG_LOG"])
    try:
        with Engine(resolve(engine, os.environ, Path.home())) as found:
            outcome = compose.up(found, stack(document), SOURCE, deadline=90, progress=lambda event: print(event.sentence(), flush=True))
    except PortableError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    print(len(outcome.changes), "changes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
