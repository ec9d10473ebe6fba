"""The command line: `backup.py backup|list|check|stage|swap|abort [APP...]`, with a row for each app."""

import argparse
import contextlib
import ctypes
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from portable.programs.backup.entries import SavedApp
from portable.programs.backup.errors import BackupError, UnchangedError, reason
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.restoring import abort, stage, swap
from portable.programs.backup.store import listed, locked, names, row
from portable.programs.backup.tries import with_tries

ABOUT = """Back up the folders of apps' state, and restore them.

This program runs in the container `backup`, on its schedule and for `portable backup | restore`. It knows no engine: the caller tells
whether an app is stopped. If it is killed, the same command completes the work when run again (docs/adr/0010-backups.md).
"""
_PULSE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
"""prctl(2)."""

Report = Callable[[Mapping[str, Any]], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 1 if something failed, or if a named app has nothing that can be backed up; else 0."""
    args = _parser().parse_args(arguments)
    store, keep, apps = read_config(args.config)
    os.umask(0o077)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may not be valid text
    if args.child_of:
        _end_with(args.child_of)

    def report(result: Mapping[str, Any]) -> None:
        if args.json or "pulse" not in result:
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write((json.dumps(result) if args.json else _sentence(result)) + "\n")
                sys.stdout.flush()

    succeeded = True
    with beating(report) if not args.child_of else contextlib.nullcontext():
        for name in args.apps or sorted(apps):
            if not args.apps and args.command == "check" and not names(store / name):
                continue
            alone = args.command == "list" or len(args.apps) == 1
            for result in _results(args, store, keep, apps.get(name), name) if alone else [_in_own_process(args, name)]:
                if args.apps and result["result"] == "left out" and not args.child_of:
                    result["result"] = "failed"  # a note is not enough for a named app
                succeeded = succeeded and result["result"] != "failed"
                report(result)
    return 0 if succeeded else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="backup", description=ABOUT)
    parser.add_argument("command", choices=("backup", "list", "check", "stage", "swap", "abort"))
    parser.add_argument("apps", nargs="*", metavar="APP")
    parser.add_argument("--at", default="", help="use the newest backup whose time begins like this")
    parser.add_argument("--stopped", action="store_true", help="copy all volumes, because the apps are stopped")
    parser.add_argument("--images", type=json.loads, default={}, help="the images of each app's containers, as JSON, by app and container")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each row")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("backup.json"))
    parser.add_argument("--child-of", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def read_config(path: Path) -> tuple[Path, Mapping[str, int], dict[str, SavedApp]]:
    """Read the store, the numbers of backups to keep, and the apps, which the plan has written."""
    config = json.loads(path.read_text(encoding="utf-8"))
    apps = {
        name: SavedApp(
            name=name,
            image=facts["image"],
            volumes={volume: Path(v["at"]) for volume, v in facts["volumes"].items()},
            stopped=tuple(volume for volume, v in facts["volumes"].items() if v["copied"] == "stopped"),
        )
        for name, facts in config["apps"].items()
    }
    return Path(config["store"]), config["keep"], apps


@contextlib.contextmanager
def beating(report: Report) -> Iterator[None]:
    """Report a heartbeat every few seconds, so that a reader can tell slow work from a lost connection."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_PULSE_SECONDS):
            report({"pulse": True})

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _results(args: argparse.Namespace, store: Path, keep: Mapping[str, int], app: SavedApp | None, name: str) -> Iterator[dict[str, Any]]:
    if app is None:
        yield row(name, "", [f"{name} is not backed up here"], "failed")
        return
    if args.command == "list":
        yield from with_tries(listed(store, name), store / name, tuple(app.volumes))
        return
    try:
        with locked(store / name):
            try:
                yield {
                    "backup": lambda: back_up(store, app, keep, stopped=args.stopped, images=args.images.get(name, {})),
                    "check": lambda: check(store, app, args.at),
                    "stage": lambda: stage(store, app, args.at),
                    "swap": lambda: swap(store, app),
                    "abort": lambda: abort(store, app, stopped=args.stopped),
                }[args.command]()
            except (BackupError, OSError) as error:
                yield {**row(name, "", [reason(error)], "failed"), **({"unchanged": True} if isinstance(error, UnchangedError) else {})}
    except Exception as error:  # noqa: BLE001  # an error of one app must not prevent the backups of others
        text = reason(error) if isinstance(error, BackupError | OSError) else f"{type(error).__name__}: {error}"
        yield row(name, "", [text], "failed")


def _in_own_process(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """Handle one app of several in its own process, so that the others go on if it is killed, for example for lack of memory."""
    options = [*(["--at", args.at] if args.at else []), *(["--stopped"] if args.stopped else [])]
    options += ["--images", json.dumps({name: args.images[name]})] if name in args.images else []
    own = ["--json", "--config", str(args.config), "--child-of", str(os.getpid())]
    done = subprocess.run([sys.executable, __file__, args.command, name, *options, *own], stdout=subprocess.PIPE, check=False)
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        killed = "the backup process was killed, perhaps because it ran out of memory"
        text = killed if done.returncode == -9 else f"the backup process ended early (exit {done.returncode})"
        return row(name, "", [text], "failed")
    return result


def _end_with(parent: int) -> None:
    """Have this process killed when its parent ends, so that no copy goes on after the parent is known to have ended."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        raise SystemExit(1)


def _sentence(result: Mapping[str, Any]) -> str:
    counts = f", {result['files']} files, {result['databases']} databases, {result['bytes']} bytes" if "files" in result else ""
    return "\n    ".join([f"{result['app']}: {result['result']} {result.get('at', '')}".rstrip() + counts, *result.get("notes", ())])


if __name__ == "__main__":
    raise SystemExit(main())
