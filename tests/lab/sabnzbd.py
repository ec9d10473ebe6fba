"""SABnzbd's web interface, as far as tests need it."""

import json
import time
import urllib.parse
import urllib.request
import uuid
from typing import Any


class SABnzbd:
    """Calls with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def call(self, mode: str, **query: str | int) -> Any:
        """The answer to a call."""
        asked = urllib.parse.urlencode({"mode": mode, "output": "json", "apikey": self.key, **query})
        with urllib.request.urlopen(f"{self.url}/api?{asked}", timeout=10) as answer:
            return json.load(answer)

    def add(self, name: str, nzb: bytes) -> str:
        """Queue an NZB; the id of its job."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="name"; filename="{name}"\r\nContent-Type: application/x-nzb\r\n\r\n'
        request = urllib.request.Request(
            f"{self.url}/api?mode=addfile&output=json&apikey={self.key}",
            data=head.encode() + nzb + f"\r\n--{mark}--\r\n".encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={mark}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = json.load(answer)
        assert said["status"], said
        return str(said["nzo_ids"][0])

    def wait_complete(self, job: str, seconds: float = 90) -> str:
        """The folder or file in which the finished job lies, as its container names it.

        On a loaded machine, SABnzbd sometimes loses both of its connections just after it began them (2 of 120 jobs), and begins new ones
        after the server's `timeout`.
        """
        until = time.monotonic() + seconds
        while True:
            slots = [slot for slot in self.call("history")["history"]["slots"] if slot["nzo_id"] == job]
            if slots and slots[0]["status"] == "Completed" and slots[0]["storage"]:
                return str(slots[0]["storage"])
            assert not (slots and slots[0]["status"] == "Failed"), slots[0]["fail_message"]
            assert time.monotonic() < until, f"the job is not complete after {seconds} s: {slots or self.call('queue')}"
            time.sleep(0.2)
