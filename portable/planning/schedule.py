"""The times of apps that run and end: cron's five fields, resolved to numbers, and what such an app can't be."""

from collections.abc import Iterator

from portable.model import plan as p
from portable.planning.inputs import Entry, Mistakes

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_AT = ("schedule",)


def schedule(entry: Entry, mistakes: Mistakes) -> p.Schedule | None:
    """When an app runs; None where it always does. What cron can't mean, or an app that ends can't be, is a mistake."""
    text, document = entry.facts.schedule, entry.document
    if text is None:
        return None
    mistakes.extend(document.mistake(_AT, why, remedy) for why, remedy in _impossible(entry))
    try:
        return parsed(text)
    except ValueError as error:
        mistakes.extend((document.mistake(_AT, f"{text!r} is no schedule: {error}", "as `30 4 * * 0`: Sundays at half past four"),))
        return None


def parsed(text: str) -> p.Schedule:
    """Five fields of `*`, numbers, ranges `a-b`, steps `*/n` and `a-b/n`, and lists; 7 is Sunday too. ValueError says what is wrong.

    Days of the month together with days of the week are not taken: cron would run at either, which nobody expects.
    """
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{len(fields)} fields, and cron has {len(_FIELDS)}")
    minutes, hours, days, months, weekdays = (
        _numbers(field, name, low, high) for field, (name, low, high) in zip(fields, _FIELDS, strict=True)
    )
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    if days and weekdays:
        raise ValueError("cron would run on these days of the month and on these of the week: name one kind")
    if days and months and all(min(days) > _LONGEST[month - 1] for month in months):
        raise ValueError(f"no such month has a day {min(days)}")
    return p.Schedule(minutes=minutes, hours=hours, days=days, months=months, weekdays=weekdays)


def _numbers(field: str, name: str, low: int, high: int) -> tuple[int, ...]:
    found: set[int] = set()
    for item in field.split(","):
        span, _, step_text = item.partition("/")
        step = _number(step_text, f"step of {name}", 1, high) if "/" in item else 1
        if span == "*":
            first, last = low, high
        elif "/" in item and "-" not in span:
            raise ValueError(f"{name} {item!r}: a step goes with * or with a range")
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name, low, high)
            last = _number(end, name, low, high) if dash else first
        if first > last:
            raise ValueError(f"{name} {item!r} goes backwards")
        found |= set(range(first, last + 1, step))
    return () if field == "*" else tuple(sorted(found))


def _number(text: str, name: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"{name} {text!r} is no number from {low} to {high}")
    return int(text)


def _impossible(entry: Entry) -> Iterator[tuple[str, str]]:
    facts = entry.facts
    if facts.ports:
        yield f"{facts.name} runs at times, and nobody can call what mostly isn't there", "remove its ports, or the schedule"
    if facts.egress == "vpn" or facts.gateway:
        yield f"{facts.name} runs at times, and the group of a gateway always", "let it reach the outside directly, or remove the schedule"
    if set(facts.containers) != {"main"}:
        yield f"{facts.name} runs at times: it ends when its one container does", "let it be `main` alone, or remove the schedule"
    main = facts.containers.get("main")
    if main is not None and not main.command:
        yield f"{facts.name} runs at times, and what runs isn't said", "name its `command`"
    if main is not None and main.probe is not None:
        yield f"{facts.name} runs at times and ends: there is nobody to ask", "remove its probe, or the schedule"
