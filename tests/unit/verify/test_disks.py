"""The meaning of smartctl's output."""

import json
from typing import Any

import pytest

from portable.verify.disks import Disk, told

ATA = {
    "smart_status": {"passed": True},
    "ata_smart_attributes": {"table": [{"id": 5, "raw": {"value": 0}}, {"id": 1, "raw": {"value": 99}}]},
}


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        (ATA, ()),
        ({"smart_status": {"passed": False}}, ("failing",)),
        ({**ATA, "ata_smart_attributes": {"table": [{"id": 197, "raw": {"value": 8}}]}}, ("8 unreadable",)),
        ({"nvme_smart_health_information_log": {"critical_warning": 0, "media_errors": 0, "percentage_used": 3}}, ()),
        (
            {"nvme_smart_health_information_log": {"critical_warning": 4, "media_errors": 2, "percentage_used": 120}},
            ("warning 0x04", "2 media", "120 %"),
        ),
    ],
)
def test_a_disk_that_fails_is_told_from_one_that_does_not(answer: dict[str, Any], faults: tuple[str, ...]) -> None:
    disk = told(json.dumps(answer))
    assert disk == Disk(faults=disk.faults)
    assert len(disk.faults) == len(faults)
    assert all(part in fault for part, fault in zip(faults, disk.faults, strict=True)), disk.faults


def test_a_disk_that_tells_nothing_says_why() -> None:
    denied = {"smartctl": {"messages": [{"string": "Smartctl open device: /dev/sda failed: Permission denied", "severity": "error"}]}}
    assert told(json.dumps(denied)).silent.endswith("Permission denied")
    assert "health" in told("{}").silent
    assert told("").silent == told('{"smart_status": 7}').silent != told("{}").silent
    assert "smartctl" in told("").silent
