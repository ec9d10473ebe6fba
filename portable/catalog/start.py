"""Makes a first `app.yaml` from a name, an image and a port: valid, with comments on the choices that only its owner can make."""

import re

from portable.catalog.facts import ABSOLUTE_PATH, FLOATING, NAME, AppFacts
from portable.formats.emit import dump
from portable.formats.load import convert, load
from portable.model.errors import UsageError

_REFERENCE = re.compile(
    r"(?P<repository>([a-z0-9][a-z0-9._-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9._-]+)*)(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_HUB = "docker.io"
_ROOT_FAMILY = "lscr.io/linuxserver/"
"""Images that start as root and drop to PUID and PGID (docs/facts/images.md#puid-and-pgid)."""

_TEXT = """\
portable: 1
name: {name}
title: {title}
about: {about}
zone: front # groups apps on pages, and chooses their service account on clusters
egress: {egress}
{schedule}containers:
  main:
    image: {image}
    {identity}
    volumes: {volumes}{library}
    {process}
    resources: {{memory: {{request: 64Mi, limit: 512Mi}}}} # the app is killed above the limit: measure, and add a reserve
{ports}volumes:
  # If the app keeps no database in this folder, write `holds: state`: only databases are a problem on a network share.
  config: {{holds: database, size: 1Gi}}
"""
_PROBE = """\
# `tcp` only tests that the port is open. Better is a page that needs no login: `probe: {http: {port: web, path: /health}, startup: 5m}`
    # together with the program that the image has for it: `fetch: curl` or `fetch: wget`.
    probe: {tcp: web, startup: 5m}"""
_PORTS = """\
ports:
  # Add `fixed: true` if the app always listens on this number. Otherwise tell it the number, with the variable that it reads, for example
  # `environment: {{PORT: "{{{{ ports.web }}}}"}}` in the container.
  web: {{number: {port}, serves: http}}
"""
_COMMAND = """\
# Replace this by the command that the schedule runs. A run with an exit code other than 0 is reported as failed.
    command: [sh, -c, "echo 'app.yaml has no command yet' && exit 1"]"""


def start(name: str, image: str, port: int | None, *, vpn: bool, library: str | None, state: str, schedule: str | None = None) -> str:
    """Return the text of `app.yaml`. Raises UsageError for an invalid name, an image without a valid tag, or an invalid path.

    An app with a schedule has no port.
    """
    reference = _checked(name, image, port, vpn=vpn, state=state, schedule=schedule)
    repository = _qualified(reference["repository"])
    root = repository.startswith(_ROOT_FAMILY)
    digest = {"digest": reference["digest"]} if reference["digest"] else {}
    text = _TEXT.format(
        name=name,
        title=_plain(name.replace("-", " ").title()),
        about=_plain(f"Its purpose, in one line ({name})"),
        egress="vpn # all its traffic goes through the gateway's tunnel"
        if vpn
        else "direct"
        if schedule
        else "direct # or vpn: all its traffic goes through the gateway's tunnel",
        schedule=f"schedule: {_plain(schedule)} # minute, hour, day, month, weekday\n" if schedule else "",
        image=_flow({"repository": repository, "tag": reference["tag"], **digest}),
        identity=_PUID if root else _USER,
        volumes=_flow({"config": state}),
        library=f"\n    library: {library} # the whole library, at /mnt/media" if library else "",
        process=_COMMAND if schedule else _PROBE,
        ports="" if port is None else _PORTS.format(port=port),
    )
    convert(load((f"{name}/app.yaml", text.encode())), AppFacts)
    return text


def _checked(name: str, image: str, port: int | None, *, vpn: bool, state: str, schedule: str | None) -> re.Match[str]:
    """Return the parts of the image. Raises UsageError."""
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} is not a valid name of an app",
            code="catalog.app-name",
            remedy="use lower case letters, digits and dashes, at most 40 characters",
        )
    reference = _REFERENCE.fullmatch(image)
    if reference is None:
        raise UsageError(
            f"{image!r} is not a valid image",
            code="catalog.image",
            remedy="write it as repository:tag, such as registry.example/notes:1.4.2",
        )
    if reference["digest"] and (reference["tag"] is None or reference["tag"] in FLOATING):
        lacking = f"its tag {reference['tag']!r} names no version" if reference["tag"] else "has no tag"
        raise UsageError(
            f"{image!r} is pinned by its digest, but {lacking}: `portable` compares and shows versions by the tag",
            code="catalog.image-version",
            remedy=f"add the tag of that version: {reference['repository']}:TAG@{reference['digest']}",
        )
    if reference["tag"] is None or reference["tag"] in FLOATING:
        raise UsageError(
            f"{image!r} has no fixed version: a later pull would bring another image",
            code="catalog.image-version",
            remedy="name a tag, such as registry.example/notes:1.4.2",
        )
    if not re.fullmatch(ABSOLUTE_PATH, state) or state == "/":
        raise UsageError(
            f"{state!r} is not a valid folder in a container", code="catalog.state-folder", remedy="use an absolute path, such as /config"
        )
    if schedule is None and port is None:
        text = "PORT is missing: the container port of the app's web page"
        raise UsageError(text, code="usage.option-missing", remedy="add it, or a --schedule for an app that runs and ends")
    if schedule is not None and (vpn or port is not None):
        what = "--vpn" if vpn else "a port"
        text = f"cannot combine --schedule with {what}: an app with a schedule runs only at times"
        raise UsageError(text, code="usage.options-conflict", remedy=f"leave out {what if vpn else 'the port'}, or --schedule")
    return reference


_USER = "identity: user # runs as `uid` and `gid` of portable.yaml; puid-pgid: the image reads PUID and PGID; fixed: the image decides"
_PUID = """\
identity: puid-pgid # the image reads the user and group from the variables PUID and PGID
    # It starts as root, prepares its folders, and then continues as that user. Without this line it may not start as root, and fails.
    needs: {root-start: true}"""


def _qualified(repository: str) -> str:
    """The repository with its registry, which every back end needs; Docker Hub if none is named."""
    first, slash, _ = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return repository
    return f"{_HUB}/{repository}" if slash else f"{_HUB}/library/{repository}"


def _flow(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {_plain(value)}" for key, value in values.items()) + "}"


def _plain(value: str) -> str:
    """The value as the emitter writes it, so that no reader takes a tag such as 1.10 for a number."""
    return dump({"x": value}).removeprefix("x: ").rstrip("\n")
