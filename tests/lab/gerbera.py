"""Gerbera's web interface, as far as tests need it: what lies in a folder of its database."""

import json
import time
import urllib.parse
import urllib.request
from typing import Any


def call(url: str, **query: str | int) -> Any:
    """The answer of its web interface."""
    with urllib.request.urlopen(f"{url}/interface?{urllib.parse.urlencode(query)}", timeout=5) as answer:
        return json.load(answer)


def listed(url: str, folder: str) -> dict[str, str]:
    """What Gerbera lists in a folder of its container: the address of each file, by title; empty where it knows no such folder."""
    sid = call(url, req_type="auth", action="get_sid")["GerberaSID"]
    parent = 0
    for name in ("PC Directory", *folder.strip("/").split("/")):
        below = call(url, req_type="containers", action="browse", parent_id=parent, select_it=0, GerberaSID=sid)["containers"]["container"]
        found = [c["id"] for c in below if c["title"] == name]
        if not found:
            return {}
        parent = found[0]
    items = call(url, req_type="items", action="browse", parent_id=parent, start=0, count=1000, select_it=0, GerberaSID=sid)["items"][
        "item"
    ]
    return {item["title"]: item["res"] for item in items}


def wait_listed(url: str, folder: str, title: str, seconds: float) -> float:
    """Seconds until the file is listed; fails after `seconds`."""
    start = time.monotonic()
    while title not in (seen := listed(url, folder)):
        assert time.monotonic() - start < seconds, f"{title} is not listed in {folder} after {seconds} s: {sorted(seen)}"
        time.sleep(0.5)
    return time.monotonic() - start


def content(url: str, folder: str, title: str) -> bytes:
    """The bytes of a file, as a player gets them that reaches Gerbera there; what it lists itself is its container's own address."""
    path = urllib.parse.urlsplit(listed(url, folder)[title]).path
    with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
        return bytes(answer.read())
