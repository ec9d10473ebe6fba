"""Makes a first `app.yaml` from a name, an image and a port: valid, with comments on the choices that only its owner can make."""

import re

from portable.catalog.facts import ABSOLUTE_PATH, NAME, AppFacts
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
containers:
  main:
    image: {image}
    {identity}
    volumes: {volumes}{library}
    # Better: `http: {{port: web, path: /health}}` with a path that needs no login, and `fetch: curl` or `wget`, whichever the image has.
    probe: {{tcp: web, startup: 5m}}
    resources: {{memory: {{request: 64Mi, limit: 512Mi}}}} # measure what it uses, and leave some room
ports:
  # `fixed: true` if the number cannot be changed; else pass it on: `environment: {{PORT: "{{{{ ports.web }}}}"}}`.
  web: {{number: {port}, serves: http}}
volumes:
  # Write `state` instead if it keeps no database there: a database on a share is a finding.
  config: {{holds: database, size: 1Gi}}
"""


def start(name: str, image: str, port: int, *, vpn: bool, library: str | None, state: str) -> str:
    """Return the text of `app.yaml`. Raises UsageError for an invalid name, an image without a valid tag, or an invalid path."""
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
    if reference["tag"] in (None, "latest"):
        raise UsageError(
            f"{image!r} has no fixed version: a later pull would bring another image",
            code="catalog.image-version",
            remedy="name a tag, such as registry.example/notes:1.4.2",
        )
    if not re.fullmatch(ABSOLUTE_PATH, state) or state == "/":
        raise UsageError(
            f"{state!r} is not a valid folder in a container", code="catalog.state-folder", remedy="use an absolute path, such as /config"
        )
    repository = _qualified(reference["repository"])
    root = repository.startswith(_ROOT_FAMILY)
    digest = {"digest": reference["digest"]} if reference["digest"] else {}
    text = _TEXT.format(
        name=name,
        title=_plain(name.replace("-", " ").title()),
        about=_plain(f"Its purpose, in one line ({name})"),
        egress="vpn # it runs behind the gateway" if vpn else "direct # or vpn: it runs behind the gateway",
        image=_flow({"repository": repository, "tag": reference["tag"], **digest}),
        identity="identity: puid-pgid # set by PUID and PGID\n    needs: {root-start: true}" if root else _USER,
        volumes=_flow({"config": state}),
        library=f"\n    library: {library} # whole, at /mnt/media" if library else "",
        port=port,
    )
    convert(load((f"{name}/app.yaml", text.encode())), AppFacts)
    return text


_USER = "identity: user # runs as the stack's uid:gid; puid-pgid: set by PUID and PGID; fixed: the image decides"


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
