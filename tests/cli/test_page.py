"""`portable page` where no engine answers: files and their modes, the formats, and the served page in a real process."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli import environment, run, write

NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
SECRET = "hunter2hunter2hunter2"
FILES: dict[str, str | bytes] = {
    "portable.yaml": "portable: 1\n",
    "profiles/nas.yaml": "portable: 1\nname: nas\nextends: local\nback-end: compose\nabout: <b>Mine</b>\nsecrets: {source: environment}\n",
}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_page_is_written_where_no_engine_answers(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    secret = {**NOWHERE, "PORTABLE_SECRET_QBITTORRENT_PASSWORD": SECRET}
    done = run("page", "-p", "nas", "-o", "out/page.html", cwd=tmp_path, env=secret)
    assert (done.returncode, done.stdout) == (0, "wrote out/page.html\n"), done.stderr
    document = (tmp_path / "out" / "page.html").read_text()
    assert document.startswith("<!doctype html>")
    assert "&lt;b&gt;Mine&lt;/b&gt;" in document
    assert "the engine does not answer" in document
    assert "portable doctor -p nas" in document
    assert SECRET not in document
    assert mode_of(tmp_path / "out" / "page.html") == 0o600


def test_a_file_keeps_its_mode_and_a_link_its_place(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("old")
    (tmp_path / "page.html").chmod(0o644)
    (tmp_path / "link.html").symlink_to("page.html")
    assert run("page", "--output", "link.html", cwd=tmp_path, env=NOWHERE).returncode == 0
    assert (tmp_path / "link.html").is_symlink()
    assert mode_of(tmp_path / "page.html") == 0o644
    assert (tmp_path / "page.html").read_text() != "old"


def test_all_formats_have_the_same_facts(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    printed = run("page", "-p", "nas", "--format", "json", cwd=tmp_path, env=NOWHERE)
    assert (printed.returncode, printed.stderr) == (0, "")
    document = json.loads(printed.stdout)
    assert document["schema"] == "portable/page/1"
    assert document["counts"]["holds"] == 0
    text = run("page", "-p", "nas", "--format", "text", cwd=tmp_path, env=NOWHERE).stdout
    html = run("page", "-p", "nas", cwd=tmp_path, env=NOWHERE).stdout
    lines = [line for section in document["sections"] for line in section["lines"]]
    assert all(f"{line['subject']}: {line['text']}" in text for line in lines)
    assert all(line["command"].replace("'", "&#39;") in html for line in lines)
    for suffix, begin in ((".json", "{"), (".txt", "media in nas, "), (".html", "<!doctype")):
        run("page", "-p", "nas", "-o", f"page{suffix}", cwd=tmp_path, env=NOWHERE)
        assert (tmp_path / f"page{suffix}").read_text().startswith(begin)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--output", "page.pdf"), "usage.page-format"),
        (("--serve", "--output", "page.html"), "usage.options-conflict"),
        (("--serve", "--format", "json"), "usage.options-conflict"),
        (("--listen", "127.0.0.1:1"), "usage.option-missing"),
        (("--serve", "--listen", "nas:8480"), "usage.listen"),
        (("--beacon", "nowhere"), "usage.beacon"),
        (("-p", "nosuch"), "profile.unknown"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(args: tuple[str, ...], code: str, tmp_path: Path) -> None:
    done = run("page", *args, cwd=tmp_path, env=NOWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"[{code}]" in done.stderr or f'"code": "{code}"' in done.stderr


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    done = run("page", "-o", "page.html", cwd=tmp_path, env=NOWHERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "[file.write]" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".page")] == []


def test_upkeep_writes_the_page_and_a_dead_engine_does_not_stop_it(tmp_path: Path) -> None:
    done = run("upkeep", "--task", "page", "--format", "json", cwd=tmp_path, env=NOWHERE)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["upkeep"]
    path = tmp_path / ".local" / "state" / "portable" / "media-local" / "page.html"
    assert (row["task"], row["subject"], row["result"]) == ("page", str(path), "done")
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    other = run("upkeep", "--task", "page", "--page-file", "mine.json", cwd=tmp_path, env=NOWHERE)
    assert other.returncode == 0
    assert json.loads((tmp_path / "mine.json").read_text())["profile"] == "local"


def test_the_page_is_served_until_it_is_stopped_and_follows_the_profile(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    command = [sys.executable, "-m", "portable", "page", "-p", "nas", "--serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path, NOWHERE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            first = serving.stdout.readline()
            assert first.startswith("serving http://127.0.0.1:"), first
            url = first.split()[1].rstrip(";")
            with urllib.request.urlopen(url, timeout=30) as answer:
                assert "portable doctor -p nas" in answer.read().decode()
            with urllib.request.urlopen(f"{url}page.json", timeout=30) as answer:
                assert json.loads(answer.read())["schema"] == "portable/page/1"
            serving.send_signal(signal.SIGINT)
            _, errors = serving.communicate(timeout=30)
        finally:
            serving.kill()
    assert serving.returncode == 130
    assert "Traceback" not in errors
    assert "warning" not in errors


def test_a_served_page_that_others_reach_is_said_to_be_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portable", "page", "--serve", "--listen", "0.0.0.0:0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path, NOWHERE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        serving.stdout.readline()
        os.kill(serving.pid, signal.SIGTERM)
        _, errors = serving.communicate(timeout=30)
    assert "warning: everybody who reaches 0.0.0.0 can read the page" in errors
