"""The secrets that apps need at the target too. They go from store to store in memory, never to a log or another file."""

from portable.migrate.sides import MoveSide
from portable.model.errors import PortableError, Refused, caught
from portable.model.secret_refs import called
from portable.secrets.generate import foreseen, known_values, random_value
from portable.secrets.needs import Need
from portable.secrets.sources import FileSource, place_name
from portable.secrets.store import set_secret
from portable.secrets.values import Resolved, Secret


class SecretMove:
    """Compares the two stores. Only names are ever shown."""

    def __init__(self, source: MoveSide, target: MoveSide) -> None:
        self._source, self._target = source, target
        self.absent: tuple[Need, ...] = ()
        """Secrets that the source has and the target lacks."""
        self.different: tuple[Need, ...] = ()
        if source.source == target.source:
            return
        mine = {(need.name, need.key) for need in source.stack.secrets}
        common = tuple(need for need in target.stack.secrets if (need.name, need.key) in mine)
        self._here = known_values(common, source.source)
        there = known_values(common, target.source)
        pairs = [(need, self._here.of(need.name, need.key), there.of(need.name, need.key)) for need in common]
        self.absent = tuple(need for need, one, other in pairs if one and not other)
        self.different = tuple(need for need, one, other in pairs if one and other and one != other)

    def check(self) -> None:
        """Raise Refused if the apps' state would not fit the target's secrets."""
        where = f"{place_name(self._source.source)} and {place_name(self._target.source)}"
        if self.different:
            names = ", ".join(called(need.name, need.key) for need in self.different)
            text = f"the two stores have different values of {names}, and the apps' state has those of the source"
            remedy = (
                f"store the source's values with `portable secrets set -p {self._target.profile} NAME`, or let both profiles use one store"
            )
            raise Refused(text, code="migrate.secrets", where=where, remedy=remedy)
        if self.absent and not isinstance(self._target.source, FileSource):
            names = ", ".join(called(need.name, need.key) for need in self.absent)
            text = f"the target's store lacks {names}, and portable cannot write there"
            raise Refused(text, code="migrate.secrets", where=where, remedy="store them there, then run the same command again")

    def names(self) -> tuple[str, ...]:
        """The names of the secrets that are copied."""
        return tuple(called(need.name, need.key) for need in self.absent)

    def copy(self) -> None:
        """Store the absent values at the target. A value that is there by now stays."""
        for need in self.absent:
            set_secret(self._target.source, need.name, need.key, Secret(self._here.of(need.name, need.key)), keep=True)

    def foreseen(self) -> tuple[Resolved, tuple[PortableError, ...]]:
        """The values that the target will have, and what is wrong with them."""
        target, absent = self._target, {(need.name, need.key) for need in self.absent}
        own = tuple(need for need in target.stack.secrets if (need.name, need.key) not in absent)
        problems = caught(lambda: foreseen(own, target.generated, target.source))
        known = known_values(own, target.source)
        values = {(n.name, n.key): Secret(known.of(n.name, n.key)) for n in own if known.of(n.name, n.key)}
        values |= {key: Secret(self._here.of(*key)) for key in absent}
        values |= {
            (n.name, n.key): random_value(target.generated[n.name])
            for n in own
            if (n.name, n.key) not in values and n.name in target.generated
        }
        return Resolved(values, source=target.source), problems
