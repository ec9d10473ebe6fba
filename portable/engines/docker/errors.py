"""Translate errors of the engine, its SDK, Compose and ssh into one family of errors. Does no I/O."""

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from portable.engines.docker.error_rule import AGAIN, RUN_ENGINE, Kind, Rule
from portable.engines.docker.error_rules import RULES
from portable.model.codes import Code
from portable.model.errors import EngineError, UnhealthyError

_CODES: Mapping[Kind, Code] = {
    "absent": "engine.absent",
    "refused": "engine.denied",
    "old": "engine.old",
    "gone": "engine.gone",
    "slow": "engine.timeout",
    "port": "host.port",
    "space": "host.full",
    "image": "engine.image",
    "mount": "host.mount",
    "tls": "engine.tls",
    "name": "engine.name",
    "failed": "engine.failed",
}
"""The code of each kind, where nothing more exact is known. Each rule of another kind has a code of its own."""


class DockerError(EngineError):  # a family of errors has its base's suffix already
    """An EngineError with a kind, by which the program decides what to do. Its code follows from the kind unless one is passed."""

    def __init__(self, kind: Kind, text: str, *, code: Code = "", where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(text, code=code or _CODES.get(kind, "engine.failed"), where=where, remedy=remedy)
        self.kind: Kind = kind


class UnhealthyDockerServices(DockerError, UnhealthyError):  # noqa: N818  # as its base
    """An UnhealthyError of this engine."""

    def __init__(self, text: str, *, apps: frozenset[str], remedy: str | None = None) -> None:
        super().__init__("failed", text, code="up.unhealthy", remedy=remedy)
        self.apps = apps


_NOT_THE_ENGINES = ("port", "image", "mount", "name", "network", "registry")
"""Kinds that are not about the engine: its address would mislead."""
_SSH_KINDS = ("absent", "refused", "gone", "slow", "failed")
"""Kinds of errors that ssh itself explains better."""
_COMPILED = tuple((rule, re.compile(rule.pattern, re.IGNORECASE | re.DOTALL)) for rule in RULES)
_PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[?::[0-9a-f]*\]?|0\.0\.0\.0):(\d+)")
_BARE_PORT = re.compile(r"port[s:]? +[\"']?(\d+)")
_NOISE = re.compile(
    r"^\s*(?:time=\S+ level=(?:warning|info|debug)\b|(?:[^\w\s]\s+)?(?:Container|Network|Volume|Image) \S+ +\w+(?: +[\d.]+s)?\s*\Z|"
    r"\[\+\]|#\d+ )"
)
"""Progress and warnings of Compose, which state no error."""
_DAEMON = re.compile(r"^(?:docker: )?(?:Error response from daemon: )+")
_ANSWER = re.compile(r"(?i)error response from daemon")
_TELLING = re.compile(r"(?i)error|.*\bfailed\b|.*\bcannot\b|dependency failed")
_LONGEST = 4000
"""Longer texts are cut in the middle: a runtime names the cause at the end, after the names of all its steps."""


def one_line(text: str) -> str:
    """The line of a foreign program's output that states the error."""
    lines = _lines(text)
    telling = [line for line in lines if _TELLING.match(line)]
    return _cut(_DAEMON.sub("", (telling or lines)[-1])) if lines else ""


def statement_of(text: str) -> str:
    """The whole error in a foreign program's output, without its progress: from the line that begins it to the end."""
    lines = _lines(text)
    answers = (at for at, line in enumerate(lines) if _ANSWER.search(line))
    telling = (at for at in range(len(lines) - 1, -1, -1) if _TELLING.match(lines[at]))
    return _cut(_DAEMON.sub("", " ".join(lines[next(answers, next(telling, 0)) :])))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not _NOISE.match(line)]


def _cut(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


def chain_of(error: BaseException) -> str:
    """The types and texts of an exception and its causes: the input of the rules."""
    parts: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        stderr = getattr(at, "stderr", None)
        parts.append(f"{type(at).__name__}: {at}" + (f"\n{stderr}" if isinstance(stderr, str) else ""))
        at = at.__cause__ or at.__context__
    return "\n".join(parts)


def classify(text: str) -> Kind:
    """The kind of error that a foreign text is about."""
    return next((rule.kind for rule, pattern in _COMPILED if pattern.search(text)), "failed")


def translate(
    text: str, *, where: str, doing: str, answered: bool = False, responded: bool = False, named_by: str = "", ssh: str = ""
) -> DockerError:
    """Return the error for a foreign program's text, from which secrets are removed already. An unknown text is passed whole.

    `where` is the engine's address. With `answered` the engine has answered before, so it can only have gone. With `responded` the text is
    its own answer, so it is there. `named_by` is the setting that named the engine; `ssh` is the last output of ssh on the way to it.
    """
    text, way = (f"{ssh}\n{text}", f": {ssh}") if ssh and not responded else (text, "")
    never = ("absent", "gone", "slow", "tls") if responded else () if answered else ("gone",)
    rule = next((rule for rule, pattern in _COMPILED if rule.kind not in never and pattern.search(text)), None)
    if rule is not None and rule.kind == "absent" and answered:
        text = f"the connection to the engine broke off, while {doing}{way}"
        return DockerError("gone", text, where=where, remedy=f"check that the engine runs (`docker version`), {AGAIN}")
    if rule is not None:
        return _by_rule(rule, text, where=where, doing=doing, named_by=named_by, way=way)
    if not answered and not responded and classify(text) == "gone":
        return DockerError("absent", f"the engine does not answer, while {doing}{way}", where=where, remedy=_elsewhere(where, named_by))
    return DockerError(
        "failed",
        f"{doing} failed: {statement_of(text) or 'no reason given'}",
        where=where,
        remedy="run it again with `portable --debug` before the verb, to see the engine's whole output",
    )


def _by_rule(rule: Rule, text: str, *, where: str, doing: str, named_by: str, way: str) -> DockerError:
    message = _filled(rule, text)
    if rule.kind in _NOT_THE_ENGINES:
        return DockerError(rule.kind, message, code=rule.code, remedy=rule.remedy)
    step = _elsewhere(where, named_by) if rule.kind == "absent" else rule.remedy
    known = rule.kind == "host" and rule.code  # its message ends with the engine's text
    return DockerError(
        rule.kind,
        message if known else f"{message}, while {doing}{way if rule.kind in _SSH_KINDS else ''}",
        code=rule.code,
        where=where,
        remedy=step,
    )


def _filled(rule: Rule, text: str) -> str:
    match = _PORT.search(text) or _BARE_PORT.search(text)
    return rule.text.format(line=statement_of(text), port=f"port {match[1]}" if match else "a port that an app publishes")


def explain(text: str, kinds: Collection[Kind]) -> DockerError | None:
    """The error for an engine's answer that is of one of these kinds; None for every other text."""
    rule = next((rule for rule, pattern in _COMPILED if pattern.search(text)), None)
    return (
        None if rule is None or rule.kind not in kinds else DockerError(rule.kind, _filled(rule, text), code=rule.code, remedy=rule.remedy)
    )


def _elsewhere(where: str, named_by: str) -> str:
    """The remedy where the engine does not answer; it depends on the setting that named the engine."""
    parts = urlsplit(where)
    user, port = f"{parts.username}@" if parts.username else "", f"-p {parts.port} " if parts.port else ""
    start = f"check with `ssh {port}{user}{parts.hostname} docker version`" if parts.scheme == "ssh" else _starting(parts.path)
    if named_by == "DOCKER_HOST":
        return f"{start}, or correct or unset DOCKER_HOST"
    if named_by.startswith("the docker context"):
        return f"{start}, or choose another docker context (`docker context use`)"
    return f"{start}, or name another one in the profile's `engine`"


def _starting(socket: str) -> str:
    """How the engine behind a Unix socket is started."""
    user = socket.startswith(("/run/user/", "/home/"))
    if "podman" in socket:
        return f"start its socket (`systemctl {'--user ' if user else ''}enable --now podman.socket`)"
    return "start your rootless engine (`systemctl --user start docker`)" if user else RUN_ENGINE
