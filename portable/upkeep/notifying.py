"""From what a command saw to messages and pings. Nothing here fails the command: a dead channel is only reported."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from portable.model.errors import PortableError
from portable.model.plan import Plan
from portable.model.secret_refs import SecretRef
from portable.secrets.sources import Source
from portable.upkeep.faults import Command, Standing
from portable.upkeep.reports import ReportFile


def _as_it_is(text: str) -> str:
    return text


class Notifier:
    """Reports to the channel of one profile; without a section `notify`, does nothing."""

    def __init__(
        self,
        plan: Plan,
        project: str,
        source: Source,
        *,
        warn: Callable[[PortableError], None],
        worded: Callable[[str], str] = _as_it_is,
    ) -> None:
        """`warn` gets what did not work. `worded` makes texts ready for people: it hides secrets, and adds the profile to commands."""
        self._facts, self._source, self._warn, self._worded = plan.notify, source, warn, worded
        self.file = ReportFile(project)

    @property
    def is_set_up(self) -> bool:
        """Whether the profile has a channel or a ping."""
        return self._facts is not None

    def report(self, observations: Iterable[Standing], *, runs: Mapping[str, str] | None = None) -> None:
        """Record what changed, and deliver it with the messages that are still queued."""
        if self._facts is None:
            return
        if self._facts.url is None:
            if runs:
                self._guarded(lambda: self.file.record((), runs=runs))
            return
        seen = tuple(observations)
        self._guarded(lambda: self._report(self._changing(seen), runs))

    def ping(self, command: Command) -> None:
        """Call the ping of a command after a complete run without a fault, if the profile has one."""
        if self._facts is None or (ref := self._facts.pings.get(command)) is None:
            return
        from portable.upkeep import channel

        def call() -> None:
            url = channel.url_of(ref, self._source)
            try:
                channel.ping(url)
            except PortableError as error:
                raise PortableError(f"`portable {command}`: {error.text}", code=error.code, where="notify", remedy=error.remedy) from None

        self._guarded(call)

    def _report(self, observations: Iterable[Standing], runs: Mapping[str, str] | None) -> None:
        if self.file.record(observations, runs=runs).queue:  # Apprise is imported only for a message
            self.file.deliver(_Sender(self._url, self._source))

    def _changing(self, observations: tuple[Standing, ...]) -> list[Standing]:
        """The observations of subjects whose state changes, in words. Others cost nothing: hiding a secret may ask a slow source."""
        faults = self.file.read().faults
        changing = {seen.key for seen in observations if seen.is_fault != (seen.key in faults)}
        return [
            msgspec.structs.replace(seen, text=self._worded(seen.text), remedy=self._worded(seen.remedy))
            for seen in observations
            if seen.key in changing
        ]

    @property
    def _url(self) -> SecretRef:
        assert self._facts is not None
        assert self._facts.url is not None
        return self._facts.url

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except PortableError as error:
            self._warn(error)
        except OSError as error:
            self._warn(PortableError(error.strerror or str(error), code="notify.state", where=str(self.file.path)))


class _Sender:
    """Sends messages; the secret is read for the first one only."""

    def __init__(self, ref: SecretRef, source: Source) -> None:
        self._ref, self._source = ref, source
        self._url: str | None = None

    def __call__(self, title: str, body: str, is_fault: bool, /) -> None:
        from portable.upkeep import channel

        self._url = self._url or channel.url_of(self._ref, self._source)
        channel.send(self._url, title, body, is_fault=is_fault)
