"""The variables through which Docker Compose gets the values of secrets."""

from portable.model.errors import PortableError
from portable.model.plan import Plan
from portable.model.variables import Variables, secret_variable
from portable.secrets.needs import needs_of
from portable.secrets.values import Resolved

_LONGEST_VARIABLE = 128 * 1024
"""Linux: one string of an environment, with its name and the final zero."""


def environment(plan: Plan, resolved: Resolved) -> dict[str, str]:
    """What Compose's own process gets: a variable for every key and for every file with a secret in it.

    Raises PortableError for a value that no environment can hold, or two that would share a variable.
    """
    values: dict[str, tuple[str, str]] = {}

    def put(variable: str, value: str, what: str) -> None:
        if variable in values and values[variable][0] != value:
            raise PortableError(f"{what} and {values[variable][1]} would both be {variable}", where="secrets", remedy="rename one of them")
        if "\0" in value:
            raise PortableError(f"{what} holds a zero byte, which no environment can carry", where="secrets", remedy="store it encoded")
        if len(variable) + len(value.encode()) + 2 > _LONGEST_VARIABLE:
            raise PortableError(f"{what} is longer than {_LONGEST_VARIABLE // 1024} KiB", where="secrets", remedy="shorten it")
        values[variable] = (value, what)

    for need in needs_of(plan):
        put(secret_variable(need.name, need.key), resolved.of(need.name, need.key), f"the secret {need.name}, key {need.key},")
    for file in plan.files:
        if file.is_secret:
            put(secret_variable(file.id), resolved.fill(file), f"the file {file.id}")
    return Variables({variable: value for variable, (value, _) in values.items()})
