"""A rule of the table of known foreign texts."""

from typing import Literal

from portable.model.base import Struct
from portable.model.codes import Code

Kind = Literal[
    "absent",
    "refused",
    "old",
    "gone",
    "slow",
    "port",
    "space",
    "image",
    "mount",
    "tls",
    "name",
    "host",
    "network",
    "registry",
    "failed",
]
"""host: the configuration of the engine's host. network: a network of the engine. registry: a registry, or its answer."""

AGAIN = "then run the same command again: it continues where it stopped"
RUN_ENGINE = "start it (`systemctl start docker`; on a bare Debian `scripts/bootstrap.sh engine`)"


class Rule(Struct, frozen=True, kw_only=True):
    """A pattern of foreign texts, with the message and the remedy."""

    kind: Kind
    code: Code = ""
    """Empty for the code of the kind."""
    pattern: str
    """A regular expression; case does not matter, and `.` matches line ends."""
    text: str
    """`{line}` is the foreign text, `{port}` the port that it names."""
    remedy: str
