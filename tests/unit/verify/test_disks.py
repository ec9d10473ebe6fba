"""What a disk's answer to smartctl means."""

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
        ({"smart_status": {"passed": False}}, ("it says that it is failing",)),
        ({**ATA, "ata_smart_attributes": {"table": [{"id": 197, "raw": {"value": 8}}]}}, ("8 sectors that can't be read",)),
        ({"nvme_smart_health_information_log": {"critical_warning": 0, "media_errors": 0, "percentage_used": 3}}, ()),
        (
            {"nvme_smart_health_information_log": {"critical_warning": 4, "media_errors": 2, "percentage_used": 120}},
            ("critical warning 0x04", "2 errors of its cells", "120 % of its endurance is used"),
        ),
    ],
)
def test_a_disk_that_fails_is_told_from_one_that_does_not(answer: dict[str, Any], faults: tuple[str, ...]) -> None:
    assert told(json.dumps(answer)) == Disk(faults=faults)


def test_a_disk_that_tells_nothing_says_why() -> None:
    denied = {"smartctl": {"messages": [{"string": "Smartctl open device: /dev/sda failed: Permission denied", "severity": "error"}]}}
    assert told(json.dumps(denied)).silent.endswith("Permission denied")
    assert told("{}").silent == "it tells nothing of its health"
    assert told("").silent == told('{"smart_status": 7}').silent == "smartctl did not answer"
