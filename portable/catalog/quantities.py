"""Converts sizes, durations and CPU quantities to numbers."""

_SIZES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_TIMES = {"s": 1, "m": 60, "h": 3600}


def size(text: str) -> int:
    """Bytes of `512Mi`, `1.5Gi` or plain digits. Loading the file has validated the form."""
    unit = _SIZES.get(text[-2:])
    return int(float(text[:-2]) * unit) if unit else int(float(text))


def seconds(text: str) -> int:
    """Seconds of `30s`, `5m` or `1h`."""
    return int(text[:-1]) * _TIMES[text[-1]]


def millicores(text: str) -> int:
    """Thousandths of a core of `500m` or `1.5`."""
    return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)


def amount(number: int) -> str:
    """Bytes as text for a person: 512Mi, 1.5Gi."""
    for name, unit in reversed(_SIZES.items()):
        if number >= unit:
            return f"{number / unit:.2f}".rstrip("0").rstrip(".") + name
    return str(number)
