"""Records of what commands on this machine proved of a project, for `portable page`: private files in the project's folder.

A record can be made again, so it never fails the command that writes it, and one that cannot be read is replaced by the next one.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.local.lock import locked
from portable.local.paths import state_home
from portable.model.base import Struct
from portable.model.contracts import ContractResult
from portable.model.errors import PortableError
from portable.model.progress import Event, Progress, silent

PROOFS = ("egress", "kill-switch")
"""Contracts whose last proof of each subject is kept when a later run proves nothing, because they need a beacon or disturb the apps."""
_FORGET_DAYS = 400
"""Proofs older than this are dropped: their apps may be gone."""
_LOCK_SECONDS = 30.0


class ContractRun(Struct, frozen=True, kw_only=True):
    """The last run of a contract."""

    at: str
    """RFC 3339, UTC."""
    results: tuple[ContractResult, ...] = ()


class Proof(Struct, frozen=True, kw_only=True):
    """The last time that a contract held for a subject."""

    at: str
    text: str


class VerifyRecord(Struct, frozen=True, kw_only=True):
    """What `verify` last found."""

    runs: Mapping[str, ContractRun] = {}
    """By contract."""
    proofs: Mapping[str, Mapping[str, Proof]] = {}
    """By contract and subject; of the contracts in `PROOFS`."""


class ImageAnswer(Struct, frozen=True, kw_only=True):
    """The answer of a registry about an image."""

    image: str
    """Repository and tag."""
    result: str
    """same or newer; else why no image was offered: absent, refused or unknown."""
    text: str
    digest: str = ""
    """The digest that the registry offers; empty if unknown."""


class ImageRecord(Struct, frozen=True, kw_only=True):
    """What registries last offered."""

    at: str = ""
    """RFC 3339, UTC; empty if they were never asked."""
    images: tuple[ImageAnswer, ...] = ()


class StoredBackups(Struct, frozen=True, kw_only=True):
    """The backups of an app, as a command last saw them in the store."""

    at: str
    """RFC 3339, UTC."""
    rows: tuple[dict[str, Any], ...] = ()
    """As the backup program lists them, oldest first."""


class BackupRecord(Struct, frozen=True, kw_only=True):
    """What commands last saw in a store that only a pod can read."""

    apps: Mapping[str, StoredBackups] = {}


_FILES: Mapping[type, str] = {VerifyRecord: "verify.json", ImageRecord: "images.json", BackupRecord: "backups.json"}
Record = TypeVar("Record", VerifyRecord, ImageRecord, BackupRecord)


def now() -> str:
    """The time, RFC 3339, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_record(project: str, kind: type[Record]) -> Record:
    """Read a record; empty if it does not exist. Raises PortableError if it cannot be read."""
    path = state_home() / project / _FILES[kind]
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except (OSError, msgspec.DecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not valid JSON of this version"
        raise PortableError(
            f"what earlier commands recorded cannot be read: {why}",
            code="file.record",
            where=str(path),
            remedy=f"correct its owner and mode, or forget it: `rm {path}`",
        ) from None


def record(project: str, kind: type[Record], change: Callable[[Record], Record], *, progress: Progress = silent) -> None:
    """Change a record in one step. What prevents that is reported as a note."""
    try:
        with locked(f"_records-{project}", "record", wait=_LOCK_SECONDS):
            try:
                before = read_record(project, kind)
            except PortableError as error:
                progress(Event(what="note", subject="page", text=f"{error.text}; it is replaced"))
                before = kind()
            write_private(project_folder(project) / _FILES[kind], msgspec.json.encode(change(before)).decode())
    except (PortableError, OSError) as error:
        progress(Event(what="note", subject="page", text=f"this result is not recorded for `portable page`: {error}"))


def with_run(before: VerifyRecord, contracts: Iterable[str], results: Iterable[ContractResult], at: str) -> VerifyRecord:
    """The record after a run of these contracts."""
    found = tuple(results)
    runs, proofs = dict(before.runs), {contract: dict(subjects) for contract, subjects in before.proofs.items()}
    for contract in contracts:
        own = tuple(result for result in found if result.contract == contract)
        runs[contract] = ContractRun(at=at, results=own)
        if contract not in PROOFS:
            continue
        subjects = proofs.setdefault(contract, {})
        broken = {result.subject for result in own if result.verdict == "broken"}
        for result in own:
            if result.subject in broken:
                subjects.pop(result.subject, None)  # what was proven once is refuted
            elif result.verdict == "holds":
                subjects[result.subject] = Proof(at=at, text=result.text)
    oldest = _days_before(at)
    kept = {contract: {name: proof for name, proof in of.items() if proof.at >= oldest} for contract, of in proofs.items()}
    return VerifyRecord(runs=runs, proofs=kept)


def _days_before(at: str) -> str:
    moment = datetime.datetime.fromisoformat(at) - datetime.timedelta(days=_FORGET_DAYS)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
