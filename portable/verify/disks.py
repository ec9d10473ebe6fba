"""The health of disks: the part of `smartctl --json -H -A` (smartctl(8)) that shows whether a disk is failing."""

from collections.abc import Iterator

import msgspec

from portable.model.base import Struct

_COUNTED = {5: "reallocated sectors", 187: "uncorrectable errors", 197: "unreadable (pending) sectors", 198: "lost sectors"}
"""ATA attributes whose raw value counts losses; vendors disagree on most others (smartctl(8), -A)."""
_WORN = 100
"""Per cent of the endurance that an NVMe disk's maker guarantees (NVM Express, SMART / Health Information)."""


class Disk(Struct, frozen=True, kw_only=True):
    """The health of one disk."""

    faults: tuple[str, ...] = ()
    silent: str = ""
    """Why its health is unknown; empty where it is known."""


class _Raw(msgspec.Struct, frozen=True):
    value: int = 0


class _Attribute(msgspec.Struct, frozen=True):
    id: int = 0
    raw: _Raw = _Raw()


class _Table(msgspec.Struct, frozen=True):
    table: tuple[_Attribute, ...] = ()


class _Nvme(msgspec.Struct, frozen=True):
    critical_warning: int = 0
    media_errors: int = 0
    percentage_used: int = 0


class _Status(msgspec.Struct, frozen=True):
    passed: bool = True


class _Message(msgspec.Struct, frozen=True):
    string: str = ""


class _Program(msgspec.Struct, frozen=True):
    messages: tuple[_Message, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    smartctl: _Program = _Program()
    smart_status: _Status | None = None
    ata_smart_attributes: _Table = _Table()
    nvme_smart_health_information_log: _Nvme | None = None


def told(text: str) -> Disk:
    """Parse the JSON output of smartctl; `silent` has the reason where it is invalid or has no health data."""
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except msgspec.DecodeError:
        return Disk(silent="smartctl did not answer")
    if answer.smart_status is None and answer.nvme_smart_health_information_log is None and not answer.ata_smart_attributes.table:
        messages = "; ".join(message.string for message in answer.smartctl.messages)
        return Disk(silent=messages or "the disk reports no health data")
    return Disk(faults=tuple(_faults(answer)))


def _faults(answer: _Answer) -> Iterator[str]:
    if answer.smart_status is not None and not answer.smart_status.passed:
        yield "SMART status: failing"
    for attribute in answer.ata_smart_attributes.table:
        if attribute.id in _COUNTED and attribute.raw.value:
            yield f"{attribute.raw.value} {_COUNTED[attribute.id]}"
    if (nvme := answer.nvme_smart_health_information_log) is not None:
        if nvme.critical_warning:
            yield f"critical warning {nvme.critical_warning:#04x}"
        if nvme.media_errors:
            yield f"{nvme.media_errors} media errors"
        if nvme.percentage_used >= _WORN:
            yield f"{nvme.percentage_used} % of its endurance is used"
