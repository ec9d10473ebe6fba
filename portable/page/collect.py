"""Collects the facts of a place for its page: now, through the driver, and from records. It changes nothing."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from portable.backends.prepare import Prepared
from portable.live.driver import StackDriver
from portable.live.drivers import unsupported_on
from portable.live.view import View
from portable.local.records import ImageRecord, VerifyRecord, read_record
from portable.model.contracts import ContractResult
from portable.model.errors import PortableError
from portable.model.plan import Schedule, Tunnel
from portable.page.backups import DAYS_BY_HAND, NOT_LISTED, as_recorded, recorded_backups, scheduled_backup
from portable.page.facts import PageFacts, PageLine, PageSection, age, moment, moment_of, seconds_between, without_future, worst
from portable.page.recorded import NotChecked, Recorded, faults, findings, lines, restores, summed, tried, updates, why
from portable.secrets.generate import foreseen
from portable.upkeep.backup import BackupRow, backup_runner_of, covered_by, has_backup_runner, kept_of, listed
from portable.upkeep.faults import STARTING
from portable.upkeep.reports import ReportFile
from portable.verify.clouds import CONTRACT as CLOUDS
from portable.verify.contract import Contract
from portable.verify.egress import NO_BEACON, egress
from portable.verify.links import CONTRACT as LINKS
from portable.verify.paths import CONTRACT as PATHS

_MOST_CHANGES = 40
Seen = TypeVar("Seen")


class Collector:
    """Fills the sections. Each look at the engine is made once; if it does not answer, it is not asked again."""

    def __init__(self, driver: StackDriver, prepared: Prepared, *, beacon: str | None, now: str) -> None:
        """`beacon` is a URL that answers with the caller's address; without it, exit addresses come from the last `verify`."""
        self._driver, self._prepared, self._beacon, self._now = driver, prepared, beacon, now
        self.plan = prepared.planned.plan
        project = driver.stack.project
        self._recorded = Recorded(self.plan, tried(lambda: read_record(project, VerifyRecord)), now=now)
        self._away = tried(driver.check)
        self._rows = self._look(lambda: self._driver.status(inside=True))
        self._view = self._viewed()
        self._listed: tuple[BackupRow, ...] | NotChecked | None = None

    def facts(self) -> PageFacts:
        """All sections, in the order of what a person fears most."""
        given = self._prepared.planned.given.profile
        return PageFacts(
            stack=self.plan.stack,
            profile=self.plan.profile,
            about=given.about,
            back_end=self._prepared.back_end.name,
            engine=self._driver.where,
            at=self._now,
            sections=tuple(self._sections()),
        )

    def _sections(self) -> Iterator[PageSection]:
        project, plan, recorded = self._driver.stack.project, self.plan, self._recorded
        verify, backup = "`portable verify`", "`portable backup --list`"

        def one(name: str, title: str, subject: str, command: str, fill: Callable[[], Iterator[PageLine]]) -> PageSection:
            return PageSection(name=name, title=title, lines=tuple(map(self._acting, lines(fill, subject, command))))

        yield one("apps", "Apps", "all apps", "`portable status`", self._services)
        yield one("exits", "Exit addresses of VPN apps", "all VPN apps", verify, self._exits)
        yield one("kill-switch", "Kill switch", "all VPN apps", verify, self._kill_switches)
        yield one("library", "Library", "library", verify, self._library)
        yield one("clouds", "Clouds", "all clouds", verify, self._clouds)
        yield one("backups", "Last backups", "all apps", backup, self._backups)
        yield one("restores", "Last tried restores", "all apps", backup, self._restores)
        yield one("changes", "What `up` would change", "changes", "`portable diff`", self._changes)
        images = tried(lambda: read_record(project, ImageRecord))
        yield one("updates", "Updates that wait", "images", "`portable update`", lambda: updates(images, plan, now=self._now))
        yield one("promises", "Last verify", "all contracts", verify, recorded.promises)
        yield one("faults", "Reported faults", "faults", "`portable notify list`", self._faults)
        yield one("findings", "Findings", "findings", "`portable explain`", lambda: findings(self._prepared.ledger))

    # --- looks at the engine -----------------------------------------------------------------------------------------

    def _asked(self) -> None:
        """Raise NotChecked if the engine does not answer."""
        if isinstance(self._away, PortableError):
            raise NotChecked("the engine does not answer: see the section Apps")

    def _look(self, look: Callable[[], Seen]) -> Seen | NotChecked:
        try:
            self._asked()
            return look()
        except NotChecked as missing:
            return missing
        except PortableError as error:
            return NotChecked(why(error))

    def _viewed(self) -> View | NotChecked:
        if remedy := self._refused("verify"):
            return NotChecked(f"it is not checked on clusters yet; {remedy}")
        return self._look(lambda: self._driver.view(self.plan))

    def _checked(self, contract: Contract) -> tuple[ContractResult, ...]:
        """The results of a contract that only reads. Raises NotChecked."""
        if isinstance(self._view, NotChecked):
            raise self._view
        return tuple(contract.tried(self._view))

    def _services(self) -> Iterator[PageLine]:
        if isinstance(self._away, PortableError):
            yield PageLine(subject="engine", verdict="unknown", text=why(self._away), command="`portable doctor`")
            return
        if isinstance(self._rows, NotChecked):
            raise self._rows
        rows = [row for row in self._rows if row.state != "finished"]
        if rows and all(row.state == "missing" for row in rows):
            yield PageLine(subject="all apps", verdict="broken", text="nothing of the stack runs", command="`portable up`")
            return
        faulty = [row for row in rows if row.reason]
        for row in faulty:
            command = "`portable up`" if row.state in ("missing", "orphan") else f"`portable logs {row.app}`"
            text = row.reason if row.state == "running" else f"{row.state}: {row.reason}"
            is_starting = row.state == "running" and row.reason.startswith(STARTING)
            yield PageLine(
                subject=row.service, verdict="unknown" if is_starting else "broken", text=text, at=_time(row.since), command=command
            )
        for row in rows:
            if row.note and not row.reason:
                yield PageLine(subject=row.service, verdict="note", text=row.note, command=f"`portable logs {row.app}`")
        well = len(rows) - len(faulty)
        if well:
            text = f"{well} of {len(rows)} services run, and no health check fails"
            yield PageLine(subject=f"{well} services", verdict="holds", text=text, command="`portable status`")
        if not rows:
            yield PageLine(subject="all apps", verdict="unknown", text="the engine lists no service", command="`portable status`")

    def _exits(self) -> Iterator[PageLine]:
        if not self.plan.gateways:
            yield PageLine(subject="VPN", verdict="note", text="no app of this place is behind a VPN", command="`portable explain`")
            return
        has_tunnel = any(isinstance(group.egress, Tunnel) for group in self.plan.groups)
        live: Sequence[ContractResult] | NotChecked = NotChecked(NO_BEACON)
        if self._beacon and has_tunnel:
            try:
                live = self._checked(egress(self._beacon))
            except NotChecked as missing:
                live = missing
        yield from self._recorded.exit_addresses(live)
        for row in () if isinstance(self._rows, NotChecked) else self._rows:
            if row.app in self.plan.gateways and row.reason:
                command = f"`portable restart {row.app}`"
                yield PageLine(subject=f"tunnel of {row.app}", verdict="broken", text=row.reason, at=_time(row.since), command=command)

    def _kill_switches(self) -> Iterator[PageLine]:
        found = tuple(self._recorded.kill_switches())
        yield from found
        if not found:
            text = "no app of this place uses a tunnel, so a kill switch has nothing to cut"
            yield PageLine(subject="VPN", verdict="note", text=text, command="`portable explain`")

    def _library(self) -> Iterator[PageLine]:
        if self.plan.library is None:
            yield PageLine(subject="library", verdict="note", text="no app of this place has a library", command="`portable explain`")
            return
        try:
            yield from summed(self._checked(PATHS), "one mount", PATHS.promise, "`portable verify paths`")
        except NotChecked as missing:
            yield PageLine(subject="one mount", verdict="unknown", text=missing.text, command="`portable verify paths`")
        yield from self._recorded.lines_of("links", LINKS.promise, "`portable verify links`")

    def _clouds(self) -> Iterator[PageLine]:
        if not self.plan.clouds:
            yield PageLine(subject="clouds", verdict="note", text="this place mounts no cloud", command="`portable explain`")
            return
        results = self._checked(CLOUDS)
        general = [result for result in results if " cloud " not in result.subject]
        for cloud in self.plan.clouds:
            own = [result for result in results if result.subject.endswith(f" cloud {cloud.id}")]
            found = worst(result.verdict for result in own)
            seen = "; ".join(f"{result.subject.removesuffix(f' cloud {cloud.id}')}: {result.text}" for result in own)
            text = {"holds": "mounted", "broken": "dead", "unknown": "unknown"}[found]
            text = f"{text}: {seen or '; '.join(result.text for result in general) or 'no app that reads it runs'}"
            command = "`portable verify clouds`"
            if remedy := next((result.remedy for result in own if result.verdict == "broken"), ""):
                text = f"{text}; {remedy}"
            yield PageLine(subject=cloud.id, verdict=found, text=text, command=command)

    def _refused(self, verb: str) -> str:
        """What to do instead of a command that the back end refuses; empty if it supports the command."""
        return unsupported_on(self._prepared.back_end.name).get(verb, "")

    def _backups(self) -> Iterator[PageLine]:
        if not has_backup_runner(self.plan):
            text = "this place makes no backups: state is lost with its disk"
            yield PageLine(subject="all apps", verdict="broken", text=text, command="`portable explain backup.not-set-up`")
            return
        runner = backup_runner_of(self.plan)
        days = longest_pause(next(app.schedule for app in self.plan.apps if app.name == runner))
        if not self._driver.can_list_backups:
            yield from self._recorded_backups(runner, days)
            return
        rows = self._stored()
        for app in kept_of(self.plan):
            yield self._backup(app, [row for row in rows if row.app == app], days)

    def _recorded_backups(self, runner: str, days: int) -> Iterator[PageLine]:
        """The last scheduled run, as the engine knows it, and each app's backups as a command of this machine last saw them."""
        rows = () if isinstance(self._rows, NotChecked) else self._rows
        run = scheduled_backup(next((row for row in rows if row.app == runner), None), days, now=self._now)
        yield run
        known = recorded_backups(self._driver.stack.project)
        for app in covered_by(self._driver.stack, self.plan):
            is_scheduled = app in kept_of(self.plan)
            if app not in known:
                yield PageLine(subject=app, verdict="unknown", text=NOT_LISTED, command="`portable backup --list`")
                continue
            at, own = known[app]
            line = self._backup(app, own, days if is_scheduled else max(days, DAYS_BY_HAND))
            yield as_recorded(line, at, run if is_scheduled else None, now=self._now)

    def _stored(self) -> tuple[BackupRow, ...]:
        """All backups, listed once, or as last seen where only a pod can list them. Raises NotChecked or PortableError."""
        if not self._driver.can_list_backups:
            known = recorded_backups(self._driver.stack.project)
            if not known:
                raise NotChecked(NOT_LISTED)
            return tuple(row for _, rows in known.values() for row in rows)
        if self._listed is None:
            self._listed = self._look(lambda: listed(self._driver, self.plan))
        if isinstance(self._listed, NotChecked):
            raise self._listed
        return self._listed

    def _backup(self, app: str, rows: Sequence[BackupRow], days: int) -> PageLine:
        """The newest backup of an app that can be restored; rows are the oldest first. One that is more than `days` old was missed."""
        command = f"`portable backup {app}`"
        sound = [row for row in rows if row.result == "sound" and row.at]
        if not sound:
            others = f", but {len(rows)} that cannot be restored" if rows else ""
            return PageLine(subject=app, verdict="broken", text=f"it has no backup{others}", command=command)
        at = moment_of(sound[-1].at)
        if not at:
            return PageLine(subject=app, verdict="unknown", text=f"the time of its backup is unclear: {sound[-1].at}", command=command)
        newer = "" if rows[-1] is sound[-1] else f"; a later one is {rows[-1].result}"
        old = seconds_between(at, self._now) > days * 86400
        text = f"backed up {age(at, self._now)} ago{f', more than {days} days' if old else ''}{newer}"
        return PageLine(subject=app, verdict="broken" if old or newer else "holds", text=text, at=at, command=command)

    def _restores(self) -> Iterator[PageLine]:
        if has_backup_runner(self.plan):
            yield from restores(self._stored(), covered_by(self._driver.stack, self.plan), now=self._now)
        else:
            text = "this place makes no backups, so none can be restored"
            yield PageLine(subject="all apps", verdict="broken", text=text, command="`portable explain backup.not-set-up`")

    def _changes(self) -> Iterator[PageLine]:
        self._asked()
        planned, stack = self._prepared.planned, self._driver.stack
        changes = self._driver.diff(resolved=foreseen(stack.secrets, planned.generated, self._driver.source))
        for change in changes[:_MOST_CHANGES]:
            command = f"`portable up {change.app}`"
            yield PageLine(subject=change.app or change.service, verdict="note", text=change.sentence(), command=command)
        if (more := len(changes) - _MOST_CHANGES) > 0:
            yield PageLine(subject="more", verdict="note", text=f"{more} more changes", command="`portable diff`")
        if not changes:
            text = "nothing: the running stack matches its files"
            yield PageLine(subject="changes", verdict="holds", text=text, command="`portable diff`")

    def _faults(self) -> Iterator[PageLine]:
        is_set_up = self.plan.notify is not None and self.plan.notify.url is not None
        reports = tried(ReportFile(self._driver.stack.project).read)
        return faults(reports, is_set_up=is_set_up)

    def _acting(self, line: PageLine) -> PageLine:
        """The line without a command that its back end refuses; the text says what to do instead."""
        line = without_future(line, self._now)
        verb = line.command.strip("`").split(" ")[1] if line.command else ""
        if not (remedy := self._refused(verb)):
            return line
        text = line.text if remedy in line.text else f"{line.text}; `portable {verb}` is not supported on clusters yet: {remedy}"
        return PageLine(subject=line.subject, verdict=line.verdict, text=text, at=line.at)


def _time(since: str) -> str:
    """The time of a container's state; empty if it never had one."""
    return since if moment(since) else ""


def longest_pause(schedule: Schedule | None) -> int:
    """The days within which a schedule runs at least once, and one day for a run that is late. Without a schedule, a day and that one."""
    if schedule is None:
        return 2
    return 367 if schedule.months else 32 if schedule.days else 8 if schedule.weekdays else 2


def collect(driver: StackDriver, prepared: Prepared, *, beacon: str | None, now: str) -> PageFacts:
    """The facts of a place now."""
    return Collector(driver, prepared, beacon=beacon, now=now).facts()
