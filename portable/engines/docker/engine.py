"""The thin edge to a container engine: `EngineReader` reads, `Engine` also writes. It decides nothing and prints nothing.

State is read with the Docker SDK. Docker Compose is called with the command line that python-on-whales builds. Its own `up()` is not used:
it passes neither an environment (the secrets) nor a file descriptor (the project's lock), and cannot be stopped.
"""

from portable.engines.docker.compose_cli import ComposeCommandReader, ComposeCommandWriter
from portable.engines.docker.execution import Execution, Questions
from portable.engines.docker.helpers import Helpers
from portable.engines.docker.images import ImageWriter
from portable.engines.docker.lifecycle import Lifecycle
from portable.engines.docker.observation import Observation


class EngineReader(Observation, Questions, ComposeCommandReader):
    """A read-only engine, without methods that write, for `--dry-run`, `diff` and `status`."""


class Engine(EngineReader, Lifecycle, Execution, Helpers, ImageWriter, ComposeCommandWriter):
    """An engine with the methods that write."""
