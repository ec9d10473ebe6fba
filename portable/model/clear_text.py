"""Secrets in clear text: which values, options and addresses are secret by their name or their form."""

import re
from collections.abc import Sequence
from itertools import pairwise

_NAME = re.compile(
    r"(?:^|_)(?:(?:REQUIRE|MASTER|PG|MY|DB|ROOT|USER|ADMIN)?(?:PASS|PASSWD|PASSWORD|PASSPHRASE)|SECRET|TOKEN|CREDENTIALS?|PASSKEY|PSK"
    r"|PLEX_CLAIM|REDISCLI_AUTH|MYSQL_PWD"
    r"|(?:API|AUTH|ACCESS|PRIVATE|PRESHARED|SECRET|ENCRYPTION|SIGNING|SESSION|MASTER)_?KEY)S?(?:_\d+)?\Z",
    re.IGNORECASE,
)
"""Names of variables and options that hold a secret themselves: `DB_PASSWORD`, but not `DB_PASSWORD_FILE` and not `TOKEN_TTL`."""
# Few plans need the patterns that are mere text here: `re` compiles them when they are first used.
_HARMLESS = r"(?i:|/.*|[$%{`@].*|file:.*|true|false|yes|no|on|off|none|null|never|always|\d{1,5}(?:ms|[smhd])?)"
"""Values that are none: paths, variables and commands of a shell, placeholders, switches, counts and durations."""
_HARMLESS_NAME = r"(?i)(?:^|_)(?:NO|ASK|MAX|MIN|SHOW|RESET|HIDE|ALLOW|DISABLE|ENABLE|USE)_"
"""Begins the name of a setting about secrets: `MIN_PASSWORD`, `--no-password`."""
_IN_URL = r"(?i)[a-z][a-z0-9+.-]*://[^/\s:@]*:(?![$%{])[^/\s@]+@"
_IN_QUERY = r"(?i)[?&](?:api_?key|access_?token|auth_?token|token|passkey|password|secret)=(?![$%{&])[^&\s\"']+"
_IN_HEADER = r"(?i)(?:Authorization: *(?:Bearer|Basic|Token) +|X-(?:Api-Key|Plex-Token|Auth-Token): *)(?![$%{])\S"
_KNOWN_FORM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22}|glpat-[\w-]{20}|claim-[\w-]{20}|tskey-[\w-]{10}"
    r"|xox[abp]-[\w-]{10}|AKIA[A-Z0-9]{16})|discord(?:app)?\.com/api/webhooks/\d+/\w|hooks\.slack\.com/services/\w|\b\d{8,10}:[\w-]{35}\b"
)
"""Keys, tokens and addresses of services whose form alone says that they are secret."""
_WORD = re.compile(r"(?:[^\s;|&\"'()]|\"[^\"]*\"|'[^']*')+")
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.+)", re.DOTALL)
_LOGIN = re.compile(r"(?![\d:]+$)[^:\s]+:(?![$%{/]).+")


def why_secret_form(value: str) -> str:
    """Why a text is a secret, or has one in it, by its form alone; empty if it has none."""
    if ("@" in value and re.search(_IN_URL, value)) or ("=" in value and re.search(_IN_QUERY, value)):
        return "has an address with a password in it"
    has_header = any(name in value.lower() for name in ("authorization:", "x-")) and re.search(_IN_HEADER, value)
    return "has the form of a secret" if has_header or _KNOWN_FORM.search(value) else ""


def why_secret(name: str, value: str) -> str:
    """Why a named value is a secret; empty if it is not. The text never quotes the value."""
    return why_secret_form(value) or why_secret_name(name, value)


def why_secret_name(name: str, value: str) -> str:
    """Why a value is a secret by its name alone; empty if it is not."""
    return "is a secret by its name" if _is_secret(name) and not re.fullmatch(_HARMLESS, value.strip()) else ""


def _is_secret(name: str) -> bool:
    """Whether a name is that of a secret, however it is written: DB_PASSWORD, db-password, db.password, dbPassword."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[.-]", "_", name)
    return bool(_NAME.search(words)) and not re.search(_HARMLESS_NAME, words)


def why_secret_command(command: Sequence[str]) -> str:
    """Why a command has a secret in it: an option, an assignment in a shell, an address, a header, or a login of curl."""
    if why := next((found for part in command if (found := why_secret_form(part))), ""):
        return why
    words = [re.sub("[\"']", "", word) for part in command for word in (_WORD.findall(part) or [part])]
    is_curl = any(word.rpartition("/")[2] == "curl" for word in words)
    for word, following in pairwise([*words, ""]):
        option = _OPTION.fullmatch(word)
        named = option or _ASSIGNED.fullmatch(word)
        if named is None:
            continue
        value = named["value"] if named["value"] is not None else "" if following.startswith("-") else following
        if _is_secret(named["name"]) and not re.fullmatch(_HARMLESS, value):
            return f"has the secret of {named['name'] if option is None else word.partition('=')[0]} in it"
        if is_curl and option is not None and option["name"] in ("u", "user") and _LOGIN.fullmatch(value):
            return f"has the login of {word.partition('=')[0]} in it"
    return ""
