"""The ceilings of the rings: processor time counts where a ring computes, with workers too, and a thread that is left is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rings import CLOCK, ORDER, PROCESSOR, ROOT, STREAMS, stream_of

BURNS = """
import time
def test_burns():
    until = time.process_time() + 0.6
    while time.process_time() < until:
        pass
"""
CHILD = """
import subprocess, sys
def test_child():
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.6: pass"], check=True)
"""
SLEEPS = """
import time
def test_sleeps():
    time.sleep(0.8)
"""
LEAVES = """
import threading, time
def test_leaves():
    threading.Thread(target=time.sleep, args=(1.5,), name="left-behind").start()
"""


def run(folder: Path, test: str, *arguments: str, ring: str = "unit", suite: str | None = None) -> subprocess.CompletedProcess[str]:
    """A suite of one test, or of what stands in the folder `suite` too; each ring may take half a second."""
    (folder / "tests" / ring).mkdir(parents=True)
    (folder / "tests" / ring / "test_it.py").write_text(test)
    (folder / "conftest.py").write_text(
        "from tests import rings\n"
        "rings.PROCESSOR = dict.fromkeys(rings.PROCESSOR, 0.5)\n"
        "rings.CLOCK = dict.fromkeys(rings.CLOCK, 0.5 / 60)\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.rings", "-p", "xdist.plugin", *arguments, suite or f"tests/{ring}"],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("test", "workers"), [(BURNS, ()), (CHILD, ("-n", "1"))], ids=["itself", "what a worker starts"])
def test_a_ring_that_computes_too_long_fails(tmp_path: Path, test: str, workers: tuple[str, ...]) -> None:
    done = run(tmp_path, test, *workers)
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout
    assert "ring unit: 0." in done.stdout
    assert "of processor time" in done.stdout
    assert "tests/unit/test_it.py::test_" in done.stdout, "the slowest are named"


def test_a_ring_that_computes_may_wait(tmp_path: Path) -> None:
    assert run(tmp_path, SLEEPS).returncode == 0


def test_a_ring_with_an_engine_goes_by_the_clock(tmp_path: Path) -> None:
    done = run(tmp_path, SLEEPS, ring="compose_lab")
    assert done.returncode == 1
    assert "by the clock" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "a worker"])
def test_a_thread_that_is_left_fails_the_run(tmp_path: Path, workers: tuple[str, ...]) -> None:
    done = run(tmp_path, LEAVES, *workers)
    assert done.returncode == 1
    assert "ring unit left a thread at work: left-behind" in done.stdout


def test_every_folder_of_tests_is_a_ring_with_one_ceiling() -> None:
    folders = {file.parent for file in ROOT.rglob("test_*.py")}
    assert {folder.relative_to(ROOT).parts[0] for folder in folders} == set(ORDER)
    assert not set(PROCESSOR) & set(CLOCK)


def test_the_first_folder_decides_the_stream_and_other_files_have_their_own() -> None:
    assert stream_of("tests/compose_lab/local/test_local_apps.py::test_one[a]") == stream_of("tests/verify_lab/test_wire.py::test_two")
    assert stream_of("tests/compose_lab/test_live_up.py::test_one") == "the engine"
    assert stream_of("tests/unit/test_rings.py::test_one") == "tests/unit/test_rings.py"
    assert all((ROOT / place).exists() for place in STREAMS)
    assert stream_of("tests/compose_lab/test_leak.py::test_one") == stream_of("tests/verify_lab/test_wire.py::test_two")


def test_a_stream_is_run_by_one_worker_and_files_by_several(tmp_path: Path) -> None:
    told = "import os\ndef test_one():\n    print('worker', os.environ['PYTEST_XDIST_WORKER'])\ndef test_two():\n    test_one()\n"
    for ring in ("zimaboard", "verify_lab"):
        (tmp_path / "tests" / ring).mkdir(parents=True)
        (tmp_path / "tests" / ring / f"test_{ring}.py").write_text(told)
    (tmp_path / "tests" / "verify_lab" / "test_second.py").write_text(told)
    done = run(tmp_path, told, "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "-rP", ring="compose_lab/local", suite="tests")
    workers = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("worker ")]
    assert sorted(map(workers.count, set(workers))) == [2, 6], done.stdout
