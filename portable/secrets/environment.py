"""The variables through which Docker Compose gets the values of secrets."""

from portable.model.errors import PortableError
from portable.model.plan import Plan
from portable.model.secret_refs import called
from portable.model.variables import Variables, secret_variable
from portable.secrets.needs import needs_of
from portable.secrets.values import Resolved

_LONGEST_VARIABLE = 128 * 1024
"""Linux: one string of an environment, with its name and the final zero."""


def environment(plan: Plan, resolved: Resolved) -> dict[str, str]:
    """The variables of the Compose process: one for every key, and one for every file that contains a secret.

    Raises PortableError for a value that a variable cannot hold, and for two different values of one variable.
    """
    values: dict[str, tuple[str, str]] = {}

    def put(variable: str, value: str, what: str) -> None:
        if variable in values and values[variable][0] != value:
            text = f"{what} and {values[variable][1]} share the variable {variable}"
            raise PortableError(text, code="secret.variable-clash", where="secrets", remedy="rename one of them")
        if "\0" in value:
            text = f"{what} contains a zero byte, which an environment variable cannot hold"
            raise PortableError(text, code="secret.zero-byte", where="secrets", remedy="store it encoded, for example as base64")
        if len(variable) + len(value.encode()) + 2 > _LONGEST_VARIABLE:
            text = f"{what} is longer than {_LONGEST_VARIABLE // 1024} KiB"
            raise PortableError(text, code="secret.too-long", where="secrets", remedy="store a shorter value")
        values[variable] = (value, what)

    for need in needs_of(plan):
        put(secret_variable(need.name, need.key), resolved.of(need.name, need.key), f"the secret {called(need.name, need.key)}")
    for file in plan.files:
        if file.is_secret:
            put(secret_variable(file.id), resolved.fill(file), f"the file {file.id}")
    return Variables({variable: value for variable, (value, _) in values.items()})
