"""What a first page loads, from the view of a browser: a real server answers, and curl or wget asks."""

import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portable.backends.common import containers
from portable.live.view import CommandResult
from portable.verify import contracts
from portable.verify.first_page import Part, addresses, parts_of
from tests.unit.verify.fake import FakeStack

PAGE = """\
<html><head><link rel="icon" href="x.ico"><link rel="stylesheet" href="style.css">
<script src="https://elsewhere.test/x.js"></script><script>var inline</script><!-- <script src="comment.js"></script> -->
<script src="/js/good.js?v=1"></script><script src="js/empty.js"></script>
<script src="absent.js"></script><script src="fallback.js"></script>
</head></html>
"""
ANSWERS = {
    "/web/": (200, "text/html", PAGE),
    "/web/style.css": (200, "text/css; charset=utf-8", "a {}"),
    "/js/good.js?v=1": (200, "text/javascript", "1"),
    "/web/js/empty.js": (200, "text/javascript", ""),
    "/web/fallback.js": (200, "text/html", PAGE),
}


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(302)
            self.send_header("Location", "/web/")
            self.end_headers()
            return
        status, kind, text = ANSWERS.get(self.path, (404, "text/plain", "no"))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base calls it
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def run(_name: str, command: Sequence[str]) -> CommandResult:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return CommandResult(code=done.returncode, text=done.stdout.strip())


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_the_parts_of_a_page_are_fetched_as_a_browser_does(tool: str, url: str) -> None:
    assert shutil.which(tool), f"{tool} is missing"
    stack = FakeStack(answer=run)
    found = parts_of(stack, next(iter(containers(stack.plan))), tool, url)
    assert {part.address.removeprefix(url): part.fault for part in found} == {
        "web/style.css": "",
        "js/good.js?v=1": "",
        "web/js/empty.js": "status 200 and 0 bytes",
        "web/absent.js": "status 404",
        "web/fallback.js": "type text/html",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ('<base href="/x/"><script src="a.js">', ("http://one:1/x/a.js",)),
        ('Location: /login\n<script src="a.js"></script><script src="a.js"></script>', ("http://one:1/a.js",)),
        ('Location: http://login.test/\n<script src="a.js">', ()),
        ('<link rel="modulepreload" href="m.js"><link rel="preload" href="p.js"><script src="data:,1"></script>', ("http://one:1/m.js",)),
    ],
)
def test_only_what_the_apps_own_server_has_is_asked_for(text: str, expected: tuple[str, ...]) -> None:
    assert addresses(text, "http://one:1/") == expected


def test_a_page_has_a_limit() -> None:
    assert len(addresses("".join(f'<script src="{n}.js"></script>' for n in range(100)), "http://one:1/")) == 40


@pytest.mark.parametrize(
    ("status", "size", "kind", "address", "is_faulty"),
    [
        (200, 1, "-", "http://one/a.js", False),
        (0, 1, "-", "http://one/a.js", True),
        (399, 1, "-", "http://one/a.js", False),
        (400, 1, "-", "http://one/a.js", True),
        (200, 0, "text/css", "http://one/a.css", True),
        (200, 1, "text/html", "http://one/a.css?x=1", True),
        (200, 1, "text/html", "http://one/script.php", False),
    ],
)
def test_a_part_that_a_browser_cannot_use(status: int, size: int, kind: str, address: str, is_faulty: bool) -> None:
    assert bool(Part(address=address, status=status, size=size, type=kind).fault) == is_faulty


@pytest.mark.parametrize(("size", "verdict"), [("0", "broken"), ("7", "holds")])
def test_the_contract_is_broken_by_a_page_whose_script_is_empty(size: str, verdict: str) -> None:
    def answer(_name: str, command: Sequence[str]) -> CommandResult | None:
        if "page" in command:
            return CommandResult(code=0, text='<script src="a.js"></script>')
        return CommandResult(code=0, text=f"200 {size} text/javascript") if "parts" in command else None

    (answers,) = [contract for contract in contracts() if contract.name == "answers"]
    found = [result for result in answers.tried(FakeStack(answer=answer)) if result.subject.endswith(" page")]
    assert found
    assert {result.verdict for result in found} == {verdict}
    assert all(bool(result.remedy) == (verdict == "broken") for result in found)
