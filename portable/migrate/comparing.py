"""Compares two manifests entry by entry, in one pass over both."""

from collections.abc import Callable, Iterator, Mapping

from portable.migrate.entries import COMPARED, FIELDS, Difference, Field, ManifestEntry
from portable.migrate.manifest import Manifest
from portable.migrate.names import order

Expected = Callable[[ManifestEntry], Mapping[Field, object]]
"""Fields of an entry of the source in which the target may differ, since that loss was named before."""


def nothing_expected(_entry: ManifestEntry) -> Mapping[Field, object]:
    """Expect no difference."""
    return {}


def differences(source: Manifest, target: Manifest, *, grain: int = 1, expected: Expected = nothing_expected) -> Iterator[Difference]:
    """Yield every difference of a target from its source, by path and field, but for the expected ones.

    `grain` is the resolution of the target's times in nanoseconds. A mount in the source is not expected in the target. An entry that could
    not be read, or changed meanwhile, is a difference too, whatever the other side has.
    """
    left, right = source.entries(), target.entries()
    mine, other = next(left, None), next(right, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and order(mine.path) < order(other.path)):
            assert mine is not None
            if mine.type != "mount" and "missing" not in expected(mine):
                yield _difference(mine.path, "missing", mine.type, "")
            mine = next(left, None)
        elif mine is None or order(other.path) < order(mine.path):
            yield _difference(other.path, "extra", "", other.type)
            other = next(right, None)
        else:
            found = list(_between(mine, other, grain))
            accepted = expected(mine) if found else {}
            yield from (difference for difference in found if difference.field not in accepted)
            mine, other = next(left, None), next(right, None)
    for path in source.end.changed:
        yield _difference(path, "problem", source.end.changed_text, "")
    for path in target.end.changed:
        yield _difference(path, "problem", "", target.end.changed_text)


def _between(mine: ManifestEntry, other: ManifestEntry, grain: int) -> Iterator[Difference]:
    """Yield the differences of two entries with one path."""
    if mine.problem or other.problem:
        yield _difference(mine.path, "problem", mine.problem, other.problem)
        return
    if mine.type != other.type:
        yield _difference(mine.path, "type", mine.type, other.type)
        return
    for field in COMPARED:
        source, target = getattr(mine, field), getattr(other, field)
        if source == target or _is_equivalent(field, source, target, grain):
            continue
        yield _difference(mine.path, field, _shown(field, source), _shown(field, target))


def _is_equivalent(field: Field, source: object, target: object, grain: int) -> bool:
    """Whether unequal values mean the same: times within the resolution, and holes that the mover added."""
    if field == "mtime":
        assert isinstance(source, int)
        assert isinstance(target, int)
        return abs(source - target) < grain
    return field == "sparse" and source is False  # rsync --sparse makes a hole of each long run of zeros


def _shown(field: Field, value: object) -> str:
    return f"{value:04o}" if field == "mode" and isinstance(value, int) else str(value)


def _difference(path: str, field: Field, source: str, target: str) -> Difference:
    return Difference(path=path, field=field, class_=FIELDS[field], source=source, target=target)
