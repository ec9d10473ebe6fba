"""Cron's five fields as numbers, and what an app that runs at times can't be."""

import random
from typing import Any

import pytest

from portable.model import plan as p
from portable.planning.schedule import parsed
from tests.unit.planning import VPN, Place, app

SEED = 20261121
RUNS = 2000
LETTERS, OFTEN = "0123456789*/,-", [3] * 10 + [9, 2, 2, 2]
OTHER = {
    "image": {"repository": "registry.test/other", "tag": "1"},
    "identity": "user",
    "resources": {"memory": {"request": "8Mi", "limit": "16Mi"}},
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("* * * * *", p.Schedule()),
        ("30 4 * * *", p.Schedule(minutes=(30,), hours=(4,))),
        ("0 6,18 * * *", p.Schedule(minutes=(0,), hours=(6, 18))),
        ("*/20 * * * *", p.Schedule(minutes=(0, 20, 40))),
        ("0 8-17/3 * * 1-5", p.Schedule(minutes=(0,), hours=(8, 11, 14, 17), weekdays=(1, 2, 3, 4, 5))),
        ("0 0 1 */6 *", p.Schedule(minutes=(0,), hours=(0,), days=(1,), months=(1, 7))),
        ("5 4 * * 7", p.Schedule(minutes=(5,), hours=(4,), weekdays=(0,))),
        ("5 4 * * 0,7", p.Schedule(minutes=(5,), hours=(4,), weekdays=(0,))),
        ("5 4 29 2 *", p.Schedule(minutes=(5,), hours=(4,), days=(29,), months=(2,))),
    ],
)
def test_it_is_read_as_cron_reads_it(text: str, wanted: p.Schedule) -> None:
    assert parsed(text) == wanted


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("60 4 * * *", "^minute '60' .* 0 to 59$"),
        ("0 24 * * *", "^hour '24' .* 0 to 23$"),
        ("0 0 0 * *", "^day '0' .* 1 to 31$"),
        ("0 0 * 13 *", "^month '13' .* 1 to 12$"),
        ("0 0 * * 8", "^weekday '8' .* 0 to 7$"),
        ("5/10 * * * *", "^minute '5/10': .*step"),
        ("*/0 * * * *", "^step of minute '0' .* 1 to 59$"),
        ("30-10 * * * *", "^minute '30-10': .*backwards"),
        ("1,,2 * * * *", "^minute '' .* 0 to 59$"),
        ("*/ * * * *", "^step of minute '' .* 1 to 59$"),
        ("- * * * *", "^minute '' .* 0 to 59$"),
        ("0 0 1 * 1", "days of the month and .* week"),
        ("0 0 30 2 *", "months has a day 30$"),
        ("0 0 31 4,6 *", "months has a day 31$"),
        ("0 0 * *", "^4 fields .* 5$"),
    ],
)
def test_what_cron_could_not_mean_names_the_field(text: str, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        parsed(text)


def test_any_text_of_its_letters_is_numbers_or_an_error() -> None:
    chance = random.Random(SEED)
    read = 0
    for _ in range(RUNS):
        text = " ".join("".join(chance.choices(LETTERS, weights=OFTEN, k=chance.randint(1, 4))) for _ in range(5))
        try:
            found = parsed(text)
        except ValueError:
            continue
        read += 1
        assert parsed(found.cron) == found, text
        for numbers, low, high in (
            (found.minutes, 0, 59),
            (found.hours, 0, 23),
            (found.days, 1, 31),
            (found.months, 1, 12),
            (found.weekdays, 0, 6),
        ):
            assert list(numbers) == sorted(set(numbers)), text
            assert all(low <= number <= high for number in numbers), text
    assert read, f"seed {SEED}: nothing was valid"


def sweep(**changes: Any) -> dict[str, Any]:
    """An app that can run at times."""
    return app("sweep", **({"schedule": "30 4 * * *", "ports": None, "containers": {"main": {"command": ["sweep"]}}} | changes))


def test_an_app_that_runs_at_times(place: Place) -> None:
    place.write(sweep())
    (found,) = place.plan("sweep").plan.apps
    assert found.schedule == p.Schedule(minutes=(30,), hours=(4,))


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"ports": {"web": {"number": 80}}}, "schedule.ports", "sweep"),
        ({"egress": "vpn"}, "schedule.gateway", "sweep"),
        ({"containers": {"main": {"command": ["a"]}, "other": OTHER}}, "schedule.containers", "sweep"),
        ({"containers": {}}, "schedule.command", "sweep"),
        ({"containers": {"main": {"command": ["a"], "probe": {"exec": ["b"]}}}}, "schedule.probe", "sweep"),
        ({"schedule": "61 * * * *"}, "schedule.syntax", "minute '61'"),
    ],
)
def test_what_runs_at_times_is_no_service(changes: dict[str, Any], code: str, word: str, place: Place) -> None:
    place.write(sweep(**changes), app("gluetun", gateway="tunnel"))
    (mistake,) = [m for m in place.caught("sweep", **VPN) if m.code == code]
    assert mistake.path == "schedule"
    assert word in mistake.text


def test_a_schedule_that_is_none_at_all(place: Place) -> None:
    place.write(sweep(schedule="at noon"))
    assert "schedule" in place.mistakes("sweep")
