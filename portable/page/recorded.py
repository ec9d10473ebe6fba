"""The sections that come from the plan, its findings, and the records of earlier commands. They need no engine."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from portable.local.records import ContractRun, ImageRecord, Proof, VerifyRecord
from portable.model.contracts import ContractResult, Judgement
from portable.model.errors import PortableError
from portable.model.findings import Finding
from portable.model.plan import Group, Plan, Sealed, Tunnel
from portable.page.facts import PageLine, moment_of, seconds_between, worst
from portable.upkeep.backup import BackupRow
from portable.upkeep.faults import Reports
from portable.verify.egress import address_in
from portable.verify.kill_switch import NAME as KILL_SWITCH

PROOF_DAYS = 35
"""A kill switch, a restore or a list of newer images that was tried once a month counts; an older result is unknown."""
VERIFY_DAYS = 8
"""A contract that was checked once a week counts; an older result is unknown."""
KILL_SWITCH_COMMAND = "`portable verify --disruptive --beacon URL kill-switch`"
EGRESS_COMMAND = "`portable verify --beacon URL egress`"
Read = TypeVar("Read")
_NEVER = "never checked by this user on this machine"


class NotChecked(Exception):  # noqa: N818 - a reason, not an error of the program
    """Why something could not be looked at now."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def why(error: PortableError) -> str:
    """An error as the reason of an unknown line: its text, and what to do."""
    text = f"{error.where}: {error.text}" if error.where else error.text
    return f"{text}; {error.remedy}" if error.remedy else text


class Recorded:
    """Reads the records of one project; an unreadable one makes lines that say so."""

    def __init__(self, plan: Plan, verify: VerifyRecord | PortableError, *, now: str) -> None:
        self.plan, self.now = plan, now
        self._verify = verify if isinstance(verify, VerifyRecord) else VerifyRecord()
        self._error = why(verify) if isinstance(verify, PortableError) else ""

    def run_of(self, contract: str) -> ContractRun | None:
        """The last run of a contract; None if it is unknown."""
        return self._verify.runs.get(contract)

    def unknown_run(self) -> str:
        """Why the run of a contract is unknown."""
        return self._error or _NEVER

    def is_old(self, at: str, days: int) -> bool:
        """Whether a moment is more than these days ago."""
        return seconds_between(at, self.now) > days * 86400

    def lines_of(self, contract: str, promise: str, command: str) -> Iterator[PageLine]:
        """The last run of a contract in lines: what is broken or unknown, or that all of it holds."""
        run = self.run_of(contract)
        if run is None:
            yield PageLine(subject=contract, verdict="unknown", text=self.unknown_run(), command=command)
            return
        yield from summed(run.results, contract, promise, command, at=run.at, is_old=self.is_old(run.at, VERIFY_DAYS))

    def exit_addresses(self, live: Sequence[ContractResult] | NotChecked) -> Iterator[PageLine]:
        """One line for each gateway and each app behind one: its exit address, as a beacon saw it now or at the last `verify`."""
        for group, name in _behind(self.plan):
            if isinstance(group.egress, Sealed):
                yield self._sealed(group.egress.gateway, name)
            elif isinstance(live, NotChecked):
                yield self._recorded_address(name, live.text)
            else:
                yield _address(name, [result for result in live if result.subject == name], at="")

    def kill_switches(self) -> Iterator[PageLine]:
        """One line for each gateway with a tunnel and each app behind it: the last proof that nothing leaves past a cut tunnel."""
        run, proofs = self.run_of(KILL_SWITCH), self._verify.proofs.get(KILL_SWITCH, {})
        for group, name in _behind(self.plan):
            if not isinstance(group.egress, Tunnel):
                continue
            last = [result for result in run.results if result.subject == name] if run else []
            broken = next((result for result in last if result.verdict == "broken"), None)
            proof = proofs.get(name)
            if broken is not None and run is not None:
                text = f"{broken.text}; {broken.remedy}" if broken.remedy else broken.text
                yield PageLine(subject=name, verdict="broken", text=text, at=run.at, command=KILL_SWITCH_COMMAND)
            elif proof is not None:
                old = self.is_old(proof.at, PROOF_DAYS)
                text = f"{proof.text}; too long ago to count (more than {PROOF_DAYS} days)" if old else proof.text
                doubt = _doubt(run, last, proof)
                verdict: Judgement = "unknown" if old or doubt else "holds"
                yield PageLine(subject=name, verdict=verdict, text=text + doubt, at=proof.at, command=KILL_SWITCH_COMMAND)
            else:
                text = last[0].text if last else self._error or "never tested by this user on this machine"
                at = run.at if run and last else ""
                yield PageLine(subject=name, verdict="unknown", text=text, at=at, command=KILL_SWITCH_COMMAND)

    def promises(self) -> Iterator[PageLine]:
        """What the last `verify` found: a line for each contract that is broken, and one for the others."""
        if not self._verify.runs:
            yield PageLine(subject="all contracts", verdict="unknown", text=self.unknown_run(), command="`portable verify`")
            return
        held = []
        for contract, run in self._verify.runs.items():
            broken = [result for result in run.results if result.verdict == "broken"]
            if broken:
                text = "; ".join(f"{result.subject}: {result.text}" for result in broken)
                yield PageLine(subject=contract, verdict="broken", text=text, at=run.at, command=f"`portable verify {contract}`")
            elif any(result.verdict == "unknown" for result in run.results) or not run.results:
                unclear = "; ".join(f"{r.subject}: {r.text}" for r in run.results if r.verdict == "unknown") or "nothing here to check"
                judgement: Judgement = "unknown" if run.results else "note"
                yield PageLine(subject=contract, verdict=judgement, text=unclear, at=run.at, command=f"`portable verify {contract}`")
            else:
                held.append((run.at, contract))
        if held:
            oldest = min(held)[0]
            old = self.is_old(oldest, VERIFY_DAYS)
            text = f"they held: {', '.join(contract for _, contract in sorted(held, key=lambda pair: pair[1]))}"
            text += f"; too long ago to count (more than {VERIFY_DAYS} days)" if old else ""
            subject = f"{len(held)} contracts"
            yield PageLine(subject=subject, verdict="unknown" if old else "holds", text=text, at=oldest, command="`portable verify`")

    def _sealed(self, gateway: str, name: str) -> PageLine:
        """An app without a tunnel: its fence is what the contract `fence` last found."""
        run = self.run_of("fence")
        own = [result for result in run.results if result.subject == gateway] if run else []
        text, command = "sealed: it has no exit address, because this place has no VPN", "`portable verify fence`"
        if run is None or not own:
            return PageLine(subject=name, verdict="unknown", text=f"{text}; its fence: {self.unknown_run()}", command=command)
        found, old = worst(result.verdict for result in own), self.is_old(run.at, VERIFY_DAYS)
        reason = next((f"; {result.text}" for result in own if result.verdict == found), "")
        verdict = "unknown" if old and found == "holds" else found
        return PageLine(subject=name, verdict=verdict, text=f"{text}{reason}{_too_old(old)}", at=run.at, command=command)

    def _recorded_address(self, name: str, reason: str) -> PageLine:
        run, proof = self.run_of("egress"), self._verify.proofs.get("egress", {}).get(name)
        own = [result for result in run.results if result.subject == name] if run else []
        if run is not None and any(result.verdict == "broken" for result in own):
            return _address(name, own, at=run.at)
        if proof is None:
            never = self._error or "never seen by this user on this machine"
            return PageLine(subject=name, verdict="unknown", text=f"{never}; {reason}", command=EGRESS_COMMAND)
        old = self.is_old(proof.at, VERIFY_DAYS)
        doubt = _doubt(run, own, proof)
        return PageLine(
            subject=name,
            verdict="unknown" if old or doubt else "holds",
            text=f"{address_in(proof.text) or 'address unknown'}: {proof.text}{_too_old(old)}{doubt}",
            at=proof.at,
            command=EGRESS_COMMAND,
        )


def _doubt(run: ContractRun | None, results: Sequence[ContractResult], proof: Proof) -> str:
    """Say that a run after the proof proved nothing for its subject; empty if there was none."""
    return f"; the last try proved nothing: {results[0].text}" if run is not None and results and run.at > proof.at else ""


def _too_old(is_old: bool) -> str:
    return f"; too long ago to count (more than {VERIFY_DAYS} days)" if is_old else ""


def _behind(plan: Plan) -> Iterator[tuple[Group, str]]:
    """Each app in the network namespace of a gateway, the gateway first."""
    for group in plan.groups:
        if isinstance(group.egress, Tunnel | Sealed):
            for name in sorted(group.apps, key=lambda app: (app != group.egress.gateway, app)):  # type: ignore[union-attr]
                yield group, name


def _address(name: str, results: Sequence[ContractResult], *, at: str) -> PageLine:
    verdict = worst(result.verdict for result in results)
    chosen = next((result for result in results if result.verdict == verdict), None)
    text = "it does not run, so it was not asked" if chosen is None else chosen.text
    if address := address_in(text):
        text = f"{address}: {text}"
    if chosen is not None and chosen.remedy:
        text = f"{text}; {chosen.remedy}"
    return PageLine(subject=name, verdict=verdict, text=text, at=at, command=EGRESS_COMMAND)


def summed(
    results: Sequence[ContractResult], contract: str, promise: str, command: str, *, at: str = "", is_old: bool = False
) -> Iterator[PageLine]:
    """The results of a contract in lines: each broken or unknown one, and one line for those that hold."""
    for result in sorted(results, key=lambda result: result.verdict != "broken"):
        if result.verdict != "holds":
            text = f"{result.text}; {result.remedy}" if result.remedy else result.text
            yield PageLine(subject=result.subject, verdict=result.verdict, text=text, at=at, command=command)
    held = sum(result.verdict == "holds" for result in results)
    if held:
        text = f"{promise} ({held} check{'s' if held > 1 else ''}){_too_old(is_old)}"
        yield PageLine(subject=contract, verdict="unknown" if is_old else "holds", text=text, at=at, command=command)
    if not results:
        yield PageLine(subject=contract, verdict="unknown", text="no app that could show it runs", at=at, command=command)


def restores(rows: Sequence[BackupRow], apps: Sequence[str], *, now: str) -> Iterator[PageLine]:
    """One line for each app with a backup whose restore was tried, as the store notes it, and one for all others."""
    untried = []
    for app in apps:
        last = max((row for row in rows if row.app == app and (row.tried or row.failed_try)), key=_time_of_try, default=None)
        if last is None:
            untried.append(app)
            continue
        command, at = f"`portable backup --check {app}`", moment_of(_time_of_try(last))
        what = f"the restore of the backup of {last.at}"
        if last.failed_try:
            yield PageLine(subject=app, verdict="broken", text=f"{what} failed: {last.try_text}", at=at, command=command)
            continue
        old = not at or seconds_between(at, now) > PROOF_DAYS * 86400
        text = f"{what} was tried, and is complete" + (f"; too long ago to count (more than {PROOF_DAYS} days)" if old else "")
        yield PageLine(subject=app, verdict="unknown" if old else "holds", text=text, at=at, command=command)
    if untried:
        text = f"a restore was never tried: {', '.join(untried)}"
        subject = f"{len(untried)} app{'s' if len(untried) > 1 else ''}"
        yield PageLine(subject=subject, verdict="unknown", text=text, command="`portable backup --check`")


def _time_of_try(row: BackupRow) -> str:
    return row.tried or row.failed_try


def updates(record: ImageRecord | PortableError, plan: Plan, *, now: str) -> Iterator[PageLine]:
    """One line for each image with a newer digest, or whose registry offered nothing, and one for all others."""
    ask = "`portable upkeep --task images`"
    if isinstance(record, PortableError):
        yield PageLine(subject="all images", verdict="unknown", text=why(record), command=ask)
        return
    if not record.at:
        text = "registries were never asked by this user on this machine"
        yield PageLine(subject="all images", verdict="unknown", text=text, command=ask)
        return
    users: dict[str, dict[str, None]] = {}
    digests: dict[str, set[str]] = {}
    for app in plan.apps:
        for container in app.containers:
            tagged = container.image.reference.partition("@")[0]
            users.setdefault(tagged, {})[app.name] = None
            digests.setdefault(tagged, set()).add(container.image.digest or "")
    unclear: dict[str, list[str]] = {}
    answered = {answer.image: answer for answer in record.images}
    same = 0
    for image, apps in sorted(users.items()):
        answer = answered.get(image)
        if answer is None:
            unclear.setdefault("not asked since it is part of the stack", []).append(image)
        elif answer.result == "newer" and digests[image] != {answer.digest}:
            text = f"a newer image waits: {answer.digest.removeprefix('sha256:')[:12]}, for {', '.join(apps)}"
            yield PageLine(subject=image, verdict="note", text=text, at=record.at, command=f"`portable update {' '.join(apps)}`")
        elif answer.result in ("same", "newer"):
            same += 1
        else:
            unclear.setdefault(answer.text, []).append(image)
    for text, images in sorted(unclear.items()):
        yield PageLine(subject=", ".join(images), verdict="unknown", text=text, at=record.at, command=ask)
    if same:
        old = seconds_between(record.at, now) > PROOF_DAYS * 86400
        text = "up to date; too long ago to count" if old else "up to date"
        yield PageLine(subject=f"{same} images", verdict="unknown" if old else "holds", text=text, at=record.at, command=ask)


def findings(ledger: Sequence[Finding]) -> Iterator[PageLine]:
    """The refused findings, the waived ones with their reason, and the others of class security and data; cosmetic ones are counted."""
    shown = 0
    for finding in sorted(ledger, key=lambda f: (f.verdict != "refused", f.verdict != "waived")):
        command = f"`portable explain {finding.app or finding.code}`"
        text = finding.text.rstrip(".")
        about = f"{finding.class_}: {finding.app or finding.field}"
        if finding.verdict == "refused":
            yield PageLine(subject=about, verdict="broken", text=f"{text}; refused: {finding.remedy}", command=command)
        elif finding.verdict == "waived":
            yield PageLine(subject=about, verdict="note", text=f"{text}; waived: {finding.reason}", command=command)
        elif finding.class_ in ("security", "data"):
            yield PageLine(subject=about, verdict="note", text=f"{text}; not waived: {finding.remedy}", command=command)
        else:
            continue
        shown += 1
    others = len(ledger) - shown
    if others:
        text = f"{others} more findings of class function and cosmetic" if shown else f"{others} findings, of class function and cosmetic"
        yield PageLine(subject="others", verdict="note", text=text, command="`portable explain --all`")
    if not ledger:
        yield PageLine(subject="findings", verdict="holds", text="every field of the plan is translated", command="`portable explain`")


def faults(reports: Reports | PortableError, *, is_set_up: bool) -> Iterator[PageLine]:
    """The open faults that commands reported, and whether the channel works."""
    command = "`portable notify list`"
    if not is_set_up:
        text = "this place has no channel, so failures at night are not reported: see docs/how-to/be-told-of-faults.md"
        yield PageLine(subject="channel", verdict="note", text=text, command="`portable explain notify.not-set-up`")
        return
    if isinstance(reports, PortableError):
        yield PageLine(subject="channel", verdict="unknown", text=why(reports), command=command)
        return
    for key, fault in sorted(reports.faults.items()):
        text = f"{fault.text}; {fault.remedy}" if fault.remedy else fault.text
        yield PageLine(subject=key, verdict="broken", text=text, at=fault.since, command=command)
    if reports.queue:
        since = f"{len(reports.queue)} messages are not delivered{f': {reports.why}' if reports.why else ''}"
        yield PageLine(subject="channel", verdict="broken", text=since, at=reports.undelivered_since, command="`portable notify test`")
    if not reports.faults and not reports.queue:
        yield PageLine(subject="faults", verdict="holds", text="no fault is open, and every message is delivered", command=command)


def lines(fill: Callable[[], Iterator[PageLine]], subject: str, command: str) -> tuple[PageLine, ...]:
    """The lines of a section; an error makes one line that is unknown, and does not stop the other sections."""
    try:
        return tuple(fill())
    except NotChecked as missing:
        return (PageLine(subject=subject, verdict="unknown", text=missing.text, command=command),)
    except PortableError as error:
        return (PageLine(subject=subject, verdict="unknown", text=why(error), command=command),)


def tried(read: Callable[[], Read]) -> Read | PortableError:
    """What `read` returns, or the error that it raises."""
    try:
        return read()
    except PortableError as error:
        return error
