"""`python -m tests.lab.images`: bring the images that the suite needs before it, so that its rings measure tests and not builds."""

import os
import sys
import tempfile
from pathlib import Path

from portable.backends.prepare import prepare
from portable.engines.docker.address import resolve
from portable.engines.docker.engine import Engine
from portable.live.compose import images
from portable.live.compose.desired import stack_of
from portable.model.progress import Event
from tests.lab import chromium, local, parts, standins
from tests.lab.home import box
from tests.lab.upstream.images import bring_rclone


def told(event: Event) -> None:
    """A line for each new thing; the lines of builds themselves are too many."""
    if event.what != "line":
        print(event.sentence(), file=sys.stderr, flush=True)


def main() -> int:
    """Pull, or build from Debian packages, what is missing; what is there costs a moment."""
    stacks = (local.needed(), parts.needed())
    with tempfile.TemporaryDirectory() as nowhere:
        zimaboard = prepare("zimaboard", folder=Path(nowhere)).planned
    with Engine(resolve(None, os.environ, Path.home())) as engine:
        for prepared in stacks:
            images.resolve(engine, stack_of(prepared.planned.plan, prepared.rendering).images, progress=told)
        chromium.bring(engine, told)
        standins.bring(engine, zimaboard, progress=told)
        for part in box.IMAGES:
            box.bring(engine, part, told)
        bring_rclone(engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
