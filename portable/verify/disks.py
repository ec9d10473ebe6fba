"""What disks say of themselves: the part of `smartctl --json -H -A` (smartctl(8)) that tells whether one is failing."""

from collections.abc import Iterator

import msgspec

from portable.model.base import Struct

_COUNTED = {5: "reallocated sectors", 187: "errors that could not be corrected", 197: "sectors that can't be read", 198: "sectors lost"}
"""ATA attributes whose raw value is a count of what the disk lost; vendors disagree on most others (smartctl(8), -A)."""
_WORN = 100
"""Per cent of an NVMe disk's endurance that its maker promises (NVM Express, SMART / Health Information)."""


class Disk(Struct, frozen=True, kw_only=True):
    """What one disk told."""

    faults: tuple[str, ...] = ()
    silent: str = ""
    """Why nothing is known of it; empty where it told."""


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
    """What a disk's answer means; an answer that is none, or of a disk that tells nothing, says why in `silent`."""
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except msgspec.DecodeError:
        return Disk(silent="smartctl did not answer")
    if answer.smart_status is None and answer.nvme_smart_health_information_log is None and not answer.ata_smart_attributes.table:
        said = "; ".join(message.string for message in answer.smartctl.messages)
        return Disk(silent=said or "it tells nothing of its health")
    return Disk(faults=tuple(_faults(answer)))


def _faults(answer: _Answer) -> Iterator[str]:
    if answer.smart_status is not None and not answer.smart_status.passed:
        yield "it says that it is failing"
    for attribute in answer.ata_smart_attributes.table:
        if attribute.id in _COUNTED and attribute.raw.value:
            yield f"{attribute.raw.value} {_COUNTED[attribute.id]}"
    if (nvme := answer.nvme_smart_health_information_log) is not None:
        if nvme.critical_warning:
            yield f"critical warning {nvme.critical_warning:#04x}"
        if nvme.media_errors:
            yield f"{nvme.media_errors} errors of its cells"
        if nvme.percentage_used >= _WORN:
            yield f"{nvme.percentage_used} % of its endurance is used"
