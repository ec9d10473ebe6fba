"""Rejects well-formed but meaningless values before anything runs."""

import re
from pathlib import Path

from portable.model.addresses import is_ip_address, without_password
from portable.planning.inputs import Mistakes, PlanInput

_ZONES = Path("/usr/share/zoneinfo")
"""The system's time zones; without this folder, time zones are not checked."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SCHEMES = ("unix://", "tcp://", "ssh://")


def meaningless(given: PlanInput, mistakes: Mistakes) -> None:
    """Note unknown time zones, invalid host names, unsupported engine addresses, missing files and commands, waivers without a reason."""
    zone = given.stack.timezone
    if (_ZONES / "Etc" / "UTC").is_file() and not (_ZONES / zone).is_file():
        remedy = "write a name such as Europe/Berlin or Etc/UTC"
        mistakes.add(given.stack_source("timezone"), "timezone", f"unknown time zone {zone!r}", remedy, code="plan.time-zone")
    address = given.profile.exposure.address
    if address is not None and not all(_LABEL.fullmatch(label) for label in address.split(".")):
        text, remedy = f"{address!r} is not a valid host name", "write a name such as nas.lan, or an IPv4 address"
        mistakes.add(given.profile_source("exposure", "address"), "exposure.address", text, remedy, code="port.host-name")
    for index, other in enumerate(given.profile.exposure.addresses):
        if not _is_host(other):
            text, remedy = f"{other!r} is not a host name or an address", "write a name such as nas.lan, or an address of IPv4 or IPv6"
            source = given.profile_source("exposure", "addresses", index)
            mistakes.add(source, f"exposure.addresses[{index}]", text, remedy, code="port.host-name")
    engine = given.profile.engine
    if engine is not None and not engine.startswith(_SCHEMES):
        text, remedy = f"engine {without_password(engine)!r} is not a supported address", "use unix://, tcp:// or ssh://"
        mistakes.add(given.profile_source("engine"), "engine", text, remedy, code="plan.engine-address")
    file = given.profile.secrets.file
    if file is not None and not re.fullmatch(r"(/|~/).*[^/]", file):
        text = f"{file!r} is not an absolute path of a file" if file else "the path of the file of secrets is empty"
        remedy = "begin it with / or ~/, or leave it out for the stack's own file"
        if given.profile.secrets.source == "sops":
            remedy = "name the encrypted file: `secrets: {source: sops, file: ~/home/secrets.sops.yaml}`"
        mistakes.add(given.profile_source("secrets", "file"), "secrets.file", text, remedy, code="secret.file-path")
    if given.profile.secrets.source == "command" and not given.profile.secrets.command:
        text, remedy = "secrets come from a command, but none is set", "set one: `command: [pass, show, 'media/{name}/{key}']`"
        mistakes.add(given.profile_source("secrets"), "secrets.command", text, remedy, code="plan.secret-command")
    for index, waiver in enumerate(given.profile.waive):
        if not waiver.reason.strip(". \u2026\t\n"):
            text, remedy = "this waiver has no reason, which is printed with its finding", "write why this place accepts the finding"
            mistakes.add(given.profile_source("waive", index, "reason"), f"waive[{index}].reason", text, remedy, code="plan.waiver-reason")


def _is_host(text: str) -> bool:
    """Whether it is a host name, or an address without brackets and port."""
    if is_ip_address(text):
        return True
    # Numbers alone would be a wrong address, not a name.
    return ":" not in text and not text.replace(".", "").isdigit() and all(_LABEL.fullmatch(label) for label in text.split("."))
