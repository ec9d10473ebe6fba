"""Every container runs with the variables and the program that the plan and its image give it, and a gateway with no other settings.

An unplanned variable may lead an app past its tunnel (`HTTP_PROXY`), and another value may open the gateway's fence. Values may be secrets,
so only names are shown.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Protocol

from portable.backends.common import Placed, main_container
from portable.live.view import Runs, View
from portable.model.plan import File, SecretRef
from portable.model.shell import script
from portable.verify.contract import Contract, Found, about, broken, holds, running, unknown, untried

NAME = "environment"
_PROXY = re.compile(r"(https?|ftp|all|no|socks)_proxy", re.IGNORECASE)
_SETTING = re.compile(r"[A-Za-z0-9_]+|client\.(crt|key)|wg0\.conf|post-rules\.txt")
_PROCESS = ["cat", "/proc/1/environ"]
_ADDED = frozenset({"PATH", "HOME", "HOSTNAME", "TERM", "container", "PWD", "OLDPWD", "SHLVL", "_"})
"""What engines, and a shell that starts the program, add to the variables of a first process."""


class Values(Protocol):
    """The values of secrets, as far as they are known here."""

    def of(self, name: str, key: str = "value") -> str:
        """A value; empty for one that is not known, or not set."""
        ...

    def fill(self, file: File) -> str:
        """The whole text of a file with secrets in it."""
        ...


class _Unknown:
    def of(self, name: str, key: str = "value") -> str:
        del name, key
        return ""

    def fill(self, file: File) -> str:
        return "".join(part for part in file.body if isinstance(part, str))


UNKNOWN: Values = _Unknown()
"""No value is known."""


def environment(values: Values = UNKNOWN) -> Contract:
    """The contract for a stack whose secrets have those values; one that is not known is not compared."""

    def check(stack: View) -> Iterator[Found]:
        gateways = stack.plan.gateways
        kept_in = gateways | set(stack.plan.behind_gateways)
        for placed in running(stack):
            name = placed.app.name if placed.app else ""
            yield _container(stack, placed, values, kept_in=name in kept_in)
            if placed.app and name in gateways and placed.container is main_container(placed.app):
                yield from _gateway(stack, placed, values)

    promise = "containers run with the variables that the plan and their images give them, and no others"
    return Contract(name=NAME, promise=promise, check=check)


def anew(stack: View, placed: Placed) -> str:
    """The remedy for a container that `up` may take for its own, since the labels that it compares are right."""
    app = placed.app.name if placed.app else f"cloud-{placed.cloud.id}" if placed.cloud else "init"
    profile = stack.plan.profile
    return f"`portable down -p {profile} {app}`, then `portable up -p {profile}`: it is made anew; its data stays"


def _container(stack: View, placed: Placed, values: Values, *, kept_in: bool) -> Found:
    subject, seen = about(placed), stack.look(placed)
    if seen.image is None:
        return unknown(subject, "its image is gone, so the variables that the image gives are not known")
    planned, wrong, unsure = stack.planned(placed), [], []
    extra = sorted(seen.environment.keys() - planned.environment.keys() - seen.image.environment.keys())
    proxies = [name for name in extra if _PROXY.fullmatch(name)]
    if kept_in:  # a proxy in an image is never planned
        proxies += sorted(name for name in seen.image.environment.keys() - planned.environment.keys() if _leads(name, seen))
    if proxies:
        past = ", which lead it past the tunnel" if kept_in else ""
        wrong.append(f"it has proxy variables that the plan does not have{past}: {', '.join(proxies)}")
    if others := [name for name in extra if name not in proxies]:
        wrong.append(f"it has variables that neither the plan nor its image has: {', '.join(others)}")
    other_values: list[str] = []
    for name, value in sorted({**seen.image.environment, **planned.environment}.items()):
        if name not in seen.environment:
            continue
        if isinstance(value, SecretRef):
            known = values.of(value.name, value.key)
            if known or not seen.environment[name]:
                other_values += [name] if known != seen.environment[name] else []
            else:
                unsure.append(name)
        elif value != seen.environment[name]:
            other_values.append(name)
    if other_values:
        wrong.append(f"it has other values than the plan or its image for {', '.join(other_values)}")
    if missing := sorted((planned.environment.keys() | seen.image.environment.keys()) - seen.environment.keys()):
        wrong.append(f"it lacks {', '.join(missing)}")
    entrypoint = seen.image.entrypoint if planned.entrypoint is None else planned.entrypoint
    command = planned.command if planned.command is not None else seen.image.command if planned.entrypoint is None else ()
    if (seen.entrypoint, seen.command) != (entrypoint, command):
        wrong.append("it runs another command than the plan or its image says")
    if wrong:
        return broken(subject, "; ".join(wrong), anew(stack, placed))
    if unsure:
        return unknown(subject, f"not compared, since their values are not known here: {', '.join(unsure)}")
    return holds(subject, f"{len(seen.environment)} variables, all of the plan or of its image")


def _leads(name: str, seen: Runs) -> bool:
    return bool(_PROXY.fullmatch(name)) and name.lower() != "no_proxy" and bool(seen.environment.get(name))


def _gateway(stack: View, placed: Placed, values: Values) -> Iterator[Found]:
    """Whatever overrides a gateway's variables from inside: files, and the variables of its first process."""
    yield _overriding(stack, placed)
    yield from _files(stack, placed, values)
    yield _process(stack, placed)


def _overriding(stack: View, placed: Placed) -> Found:
    subject = about(placed)
    said = stack.inside(placed, ["sh", "-c", script(__name__, "environment.sh")], user="0")
    if not said.done:
        return unknown(subject, f"files that override its settings can't be looked for: {said.text or said.code}")
    container = placed.container
    planned = {mount.path for mount in container.files} | {f"{m.path.rstrip('/')}/{key}" for m in container.secrets for key in m.keys}
    found = {path for path in said.text.splitlines() if path.startswith("/") and _SETTING.fullmatch(PurePosixPath(path).name)}
    if wrong := sorted(found - planned):
        text = f"files override its settings, and the plan does not have them: {', '.join(wrong)}"
        return broken(subject, text, f"{anew(stack, placed)} but what lies in a volume: remove the file there")
    return holds(subject, "no file overrides its settings")


def _files(stack: View, placed: Placed, values: Values) -> Iterator[Found]:
    files = {file.id: file for file in stack.plan.files}
    for mount in placed.container.files:
        if mount.seed or mount.file not in files:
            continue
        said = stack.inside(placed, ["cat", mount.path], user="0")
        expected = _text(files[mount.file], values)
        if untried(said):
            yield unknown(about(placed), f"{mount.path} can't be read: {said.text or said.code}")
        elif expected is None:
            yield unknown(about(placed), f"{mount.path} is not compared, since the value of a secret in it is not known here")
        elif not said.done or said.text.strip() != expected.strip():
            yield broken(about(placed), f"{mount.path} is not the file of the plan", anew(stack, placed))
        else:
            yield holds(about(placed), f"{mount.path} is the file of the plan")


def _text(file: File, values: Values) -> str | None:
    """The text of a file; None where a secret in it is not known."""
    if any(not ref.optional and not values.of(ref.name, ref.key) for ref in file.secret_refs):
        return None
    return values.fill(file)


def _process(stack: View, placed: Placed) -> Found:
    """The variables of the first process: a program that starts it can change those that the engine shows."""
    subject, given = about(placed), stack.look(placed).environment
    said = stack.inside(placed, _PROCESS, user="0")
    has = _variables(said.text) if said.done else {}
    if not has:
        return unknown(subject, f"the variables of its first process can't be read: {said.text[:200] or said.code}")
    other = {name for name in (has.keys() | given.keys()) - _ADDED if has.get(name) != given.get(name)}
    if wrong := sorted(other):
        return broken(subject, f"its first process has other variables than the container: {', '.join(wrong)}", anew(stack, placed))
    return holds(subject, "its first process has the variables of the container")


def _variables(text: str) -> Mapping[str, str]:
    return dict(entry.partition("=")[::2] for entry in text.split("\0") if "=" in entry)
