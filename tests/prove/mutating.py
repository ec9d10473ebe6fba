"""Runs mutmut without the mutants that no test can or should tell apart. A program of its own: `python tests/prove/mutating.py JOBS`.

It works in the current folder, a copy of the checkout whose pyproject.toml has a section for mutmut, and imports nothing of the project:
mutmut loads the mutated package, and the tests beside it, into this very process and forks it for each mutant.
"""

import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mutmut import __main__ as mutmut
from mutmut.mutation import file_mutation
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers import isolation

if TYPE_CHECKING:
    from tests.prove.left_out import Texts, counts
else:  # Python puts the folder of a program first; `tests` would be the package beside the mutants, and stay it
    from left_out import Texts, counts

BROKEN = 35
"""How a process ends in which the tests of a mutant could not be run; it kills nothing."""
_PROCESSOR = 10
"""Seconds of processor time after which a mutant's process is ended, beside three times what its tests took."""
_FAR = 0.15
"""The share of all tests, by their time and the fastest first, that run for a mutant beside those of its module."""
_LEAST = 5.0
"""Seconds that such tests may take in any case."""


class Items(PytestRunner):
    """Collects the tests once; each mutant's process, a copy of this one, runs those that it needs.

    mutmut would collect again in each process. That takes longer than most tests do, and where pytest names a parameter otherwise the
    second time (ids by `repr` with a backslash), the process ends with an error that looks like a mutant killed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._session: pytest.Session | None = None
        self._items: dict[str, pytest.Item] = {}
        self.scratch = Path(tempfile.mkdtemp(prefix="mutants-"))

    def collect(self) -> None:
        """Collect the tests of the area, and name each as the run did that found which functions it reaches."""
        with change_cwd("mutants"):
            options = ["--rootdir=.", "--capture=no", "-p", "no:terminal", *self._pytest_add_cli_args]
            config = pytest.Config.fromdictargs({"tbstyle": "native"}, [*options, *self._pytest_add_cli_args_test_selection])
            config._do_configure()
            self._session = session = pytest.Session.from_config(config)
            config.hook.pytest_sessionstart(session=session)
            session.perform_collect()
        ran = list(state().duration_by_test)
        assert [_bare(name) for name in ran] == [_bare(item.nodeid) for item in session.items], "the tests are others than before"
        self._items = dict(zip(ran, session.items, strict=True))

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """Run these tests, or all, until one fails, in a process of its own; first the one that killed the function's last mutant."""
        mine = self.scratch / str(os.getpid())
        killer = self.scratch / mangled_name_from_mutant_name(mutant_name) if mutant_name else None
        try:
            mine.mkdir()
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(mine)
            last = killer.read_text() if killer and killer.exists() else ""
            with change_cwd("mutants"):
                near = _near(mutant_name or "", tests)
                failed = self._first_failed(sorted(tests or self._items, key=lambda test: (test != last, test not in near)))
            if failed and killer:
                killer.write_text(failed)
            return 1 if failed else 0
        except BaseException:  # noqa: BLE001 - whatever it is, no test has failed
            traceback.print_exc()
            return BROKEN
        finally:
            shutil.rmtree(mine, ignore_errors=True)

    def _first_failed(self, tests: list[str]) -> str:
        assert self._session is not None
        items = [self._items[test] for test in tests]
        for test, item, following in zip(tests, items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._session.testsfailed:
                return test
        return ""


def _near(mutant: str, tests: Iterable[str]) -> set[str]:
    """Those tests that are in a file of the mutated module's name, or of conditions."""
    module = mutant.rpartition(".")[0].rpartition(".")[2].strip("_")
    return {test for test in tests if Path(test.partition("::")[0]).name.startswith((f"test_{module}", "test_conditions"))}


def _nearest(mutant: str, tests: list[str]) -> list[str]:
    """The near tests, and fast ones of other files.

    A function that every plan calls is reached by every test: for a mutant that survives, all would run, and most say nothing of it. A
    mutant that only such a test would kill counts as one that survives.
    """
    seconds = state().duration_by_test
    chosen = near = _near(mutant, tests)
    left = max(_LEAST, _FAR * sum(seconds.values()))
    for test in sorted(set(tests) - near, key=lambda test: seconds[test]):
        left -= seconds[test]
        if left < 0 and chosen:
            break
        chosen = chosen | {test}
    return sorted(chosen)


def _bare(name: str) -> str:
    return name.partition("[")[0]


class Copies(isolation.ForkRunner):
    """A process for each mutant: a copy of this one, in which the tests are collected."""

    def __init__(self, max_workers: int) -> None:
        self.items = Items()
        super().__init__(max_workers=max_workers, test_runner=self.items)

    def run_clean_tests(self, tests: Iterable[str]) -> int:
        """All tests must pass where nothing is changed, in such a copy too."""
        self.items.collect()
        return int(isolation.run_in_fork(lambda: self.items.run_tests(mutant_name=None, tests=tests)))

    def run_forced_fail(self) -> int:
        """And fail where each mutated function does."""
        return int(isolation.run_in_fork(lambda: self.items.run_tests(mutant_name=None, tests=())))

    def submit(self, mutant_name: str, tests: list[str], cpu_time_limit: int, estimated_time: float) -> None:
        """Start the process of a mutant, with the nearest tests and a limit that suits these."""
        del cpu_time_limit, estimated_time  # those of all tests
        chosen = _nearest(mutant_name, tests)
        seconds = sum(state().duration_by_test[test] for test in chosen)
        # By the clock, mutmut allows 15 times the time that it estimates and a second more: 120 s, and 20 times what the tests took.
        super().submit(mutant_name, chosen, ceil(_PROCESSOR + 3 * seconds), 7 + seconds * 4 / 3)

    def shutdown(self) -> None:
        """Wait for the last, and leave nothing behind."""
        super().shutdown()
        shutil.rmtree(self.items.scratch, ignore_errors=True)


def _install() -> None:
    create = file_mutation.create_mutations
    share, seed = float(os.environ.get("PORTABLE_MUTANTS_SHARE", "1")), os.environ.get("PORTABLE_MUTANTS_SEED", "1")

    def create_counting(filename: str, *given: Any, **named: Any) -> Any:
        module, mutations, *rest = create(filename, *given, **named)
        texts = Texts()
        module.visit(texts)
        drawn = random.Random(f"{seed} {filename}")
        chosen = [m for m in mutations if counts(texts, m.original_node, m.mutated_node) and drawn.random() < share]
        return module, chosen, *rest

    file_mutation.create_mutations = create_counting
    vars(mutmut)["get_mutant_runner"] = Copies


def main() -> None:
    """Generate, and run each mutant against the nearest tests that reach its function."""
    sys.path.remove(str(Path(__file__).parent))  # Python puts it there for a program: its modules are no top-level ones
    _install()
    mutmut._run((), int(sys.argv[1]))


if __name__ == "__main__":
    main()
