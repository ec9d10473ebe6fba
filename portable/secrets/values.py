"""The values of secrets, which are never shown by accident."""

import functools
import hmac
import urllib.parse
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from portable.model.plan import File
from portable.model.secret_refs import SecretRef, called
from portable.secrets.forms import written
from portable.secrets.sources import Source

Key = tuple[str, str]
"""Name and key of a secret."""
HIDDEN = "<secret>"
_SHORTEST_HIDDEN = 4
"""Shorter values occur in too many harmless words to be removed from foreign texts."""
_SHORTEST_TOLD = 8
"""A shorter value in a log may be an ordinary word, so it is not reported as a leaked secret."""


class Secret:
    """A value that is hidden in repr, str, format, the variables of a traceback and logs. Only `reveal()` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")

    def __bool__(self) -> bool:
        return bool(self._value)


class Resolved:
    """The values of a plan's secrets."""

    def __init__(self, values: Mapping[Key, Secret], *, source: Source | None = None, others: Sequence[str] = ()) -> None:
        self._values = dict(values)
        self.source = source
        """Where they come from; None if unknown."""
        self.others = tuple(others)
        """What the source has beside them: names that nobody asked for, such as a misspelled one."""

    def __repr__(self) -> str:
        return f"Resolved({len(self._values)} secrets)"

    def of(self, name: str, key: str = "value") -> str:
        """The value; empty for an optional one that is not set."""
        secret = self._values.get((name, key))
        return secret.reveal() if secret else ""

    def fill(self, file: File) -> str:
        """The whole text of a file, with its secrets filled in."""
        return "".join(written(self.of(part.name, part.key), part.form) if isinstance(part, SecretRef) else part for part in file.body)

    @functools.cached_property
    def _by_key(self) -> Mapping[Key, frozenset[str]]:
        return {key: _shapes_of(secret.reveal()) for key, secret in self._values.items()}

    @functools.cached_property
    def _shapes(self) -> tuple[str, ...]:
        return tuple(sorted(frozenset[str]().union(*self._by_key.values()), key=lambda s: (-len(s), s)))

    def named_in(self, text: str, *, public: Collection[Key] = ()) -> tuple[str, ...]:
        """The names of the secrets whose value occurs in a text, except short values, which occur in harmless words."""
        return tuple(
            called(name, key)
            for (name, key), secret in sorted(self._values.items())
            if (name, key) not in public
            and len(secret.reveal().strip()) >= _SHORTEST_TOLD
            and any(shape in text for shape in self._by_key[name, key])
        )

    def hide(self, text: str) -> str:
        """The text without the values, in all forms in which programs repeat them."""
        for shape in self._shapes:
            if shape in text:
                text = text.replace(shape, HIDDEN)
        return text


def _shapes_of(value: str) -> frozenset[str]:
    """The forms in which programs repeat a value, whole and by line, without those that are too short to be hidden."""
    shapes: set[str] = set()
    for text in (value, *value.splitlines()):
        if len(text.strip()) < _SHORTEST_HIDDEN:
            continue
        encoded = b64encode(text.encode()).decode()
        shapes |= {text, text.strip(), urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text), encoded, encoded.rstrip("=")}
        shapes |= {text.encode("unicode_escape").decode(), text.replace("\\", "\\\\").replace('"', '\\"'), text.replace("$", "$$")}
    return frozenset(shapes)


NOTHING = Resolved({})
