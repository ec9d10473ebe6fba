"""Schedules of apps that run and end: cron's five fields as numbers, and the facts that a schedule excludes."""

from collections.abc import Iterator

from portable.model import plan as p
from portable.model.codes import Code
from portable.planning.inputs import AppEntry, Mistakes

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_AT = ("schedule",)


def schedule(entry: AppEntry, mistakes: Mistakes) -> p.Schedule | None:
    """When an app runs; None if it always runs. Notes invalid schedules, and facts that a schedule excludes."""
    text, document = entry.facts.schedule, entry.document
    if text is None:
        return None
    mistakes.extend(document.mistake(_AT, why, remedy, code=code) for code, why, remedy in _conflicts(entry))
    try:
        return parsed(text)
    except ValueError as error:
        remedy = "write five fields, for example `30 4 * * 0` for Sundays at 04:30"
        mistakes.extend((document.mistake(_AT, f"{text!r} is not a valid schedule: {error}", remedy, code="schedule.syntax"),))
        return None


def parsed(text: str) -> p.Schedule:
    """Parse five fields of `*`, numbers, ranges `a-b`, steps `*/n` and `a-b/n`, and lists; 7 is Sunday too. Raises ValueError.

    Days of the month and days of the week cannot be combined: cron would run on either, which nobody expects.
    """
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{len(fields)} fields instead of {len(_FIELDS)}")
    minutes, hours, days, months, weekdays = (
        _numbers(field, name, low, high) for field, (name, low, high) in zip(fields, _FIELDS, strict=True)
    )
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    if days and weekdays:
        raise ValueError("cron would run on these days of the month and also on these of the week: use one kind")
    if days and months and all(min(days) > _LONGEST[month - 1] for month in months):
        raise ValueError(f"none of these months has a day {min(days)}")
    return p.Schedule(minutes=minutes, hours=hours, days=days, months=months, weekdays=weekdays)


def _numbers(field: str, name: str, low: int, high: int) -> tuple[int, ...]:
    numbers: set[int] = set()
    for item in field.split(","):
        span, _, step_text = item.partition("/")
        step = _number(step_text, f"step of {name}", 1, high) if "/" in item else 1
        if span == "*":
            first, last = low, high
        elif "/" in item and "-" not in span:
            raise ValueError(f"{name} {item!r}: a step needs `*` or a range")
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name, low, high)
            last = _number(end, name, low, high) if dash else first
        if first > last:
            raise ValueError(f"{name} {item!r}: the range is backwards")
        numbers |= set(range(first, last + 1, step))
    return () if field == "*" else tuple(sorted(numbers))


def _number(text: str, name: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"{name} {text!r} is not a number from {low} to {high}")
    return int(text)


def _conflicts(entry: AppEntry) -> Iterator[tuple[Code, str, str]]:
    """Code, text and remedy for each fact of an app that a schedule excludes."""
    facts = entry.facts
    name = facts.name
    if facts.ports:
        text, remedy = f"{name} has a schedule, so its ports are unreachable most of the time", "remove its ports, or the schedule"
        yield "schedule.ports", text, remedy
    if facts.egress == "vpn" or facts.gateway:
        text, remedy = (
            f"{name} has a schedule, but the group of a gateway always runs",
            "remove the schedule, or set `egress: direct` in the app's file",
        )
        yield "schedule.gateway", text, remedy
    if set(facts.containers) != {"main"}:
        text, remedy = f"{name} has a schedule, so `main` must be its only container", "remove the other containers, or the schedule"
        yield "schedule.containers", text, remedy
    main = facts.containers.get("main")
    if main is not None and not main.command:
        text, remedy = f"{name} has a `schedule` but no `command`", "set `command` of its container `main`"
        yield "schedule.command", text, remedy
    if main is not None and main.probe is not None:
        text, remedy = f"{name} has a schedule and ends after each run, so it cannot have a probe", "remove its probe, or the schedule"
        yield "schedule.probe", text, remedy
