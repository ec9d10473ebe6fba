"""The thin edge to a container engine: `EngineReader` looks, `Engine` also writes. Decides nothing, prints nothing.

State is read with the Docker SDK; Docker Compose is called by the command line that python-on-whales builds. Its own `up()` is not used: it
hands on neither an environment (the secrets) nor a file descriptor (the project's lock), and cannot be stopped.
"""

from portable.engines.docker.compose_cli import ComposeReader, ComposeWriter
from portable.engines.docker.execution import Execution, Questions
from portable.engines.docker.helpers import Helpers
from portable.engines.docker.images import ImageWriter
from portable.engines.docker.lifecycle import Lifecycle
from portable.engines.docker.observation import Observation


class EngineReader(Observation, Questions, ComposeReader):
    """An engine that can only be looked at: this class has no method that writes. What `--dry-run`, `diff` and `status` get."""


class Engine(EngineReader, Lifecycle, Execution, Helpers, ImageWriter, ComposeWriter):
    """An engine with the methods that write."""
