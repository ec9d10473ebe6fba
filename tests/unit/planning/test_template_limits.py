"""The output and the work of a template are bounded, however it multiplies its text."""

import resource
import signal
import time
from typing import Any

import pytest

from portable.planning import _template_limits as limits
from portable.planning._templates import rendered
from tests.unit.planning import Place, app

DOUBLING = "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = OPERATION %}{% endfor %}{{ ns.s }}"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)


@pytest.mark.parametrize(
    "text",
    [
        '{{ "x" * 9999999999 }}',
        "{{ [0] * 9999999999 }}",
        "{{ 'x'.center(9999999999) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '{:>9999999999}'.format(1) }}",
        "{{ 'x'|center(9999999999) }}",
        "{{ 'a\nb'|indent(9999999999) }}",
        "{{ 10 ** 100000000 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ lipsum(n=1000000) }}",
        DOUBLING.replace("OPERATION", "ns.s ~ ns.s"),
        DOUBLING.replace("OPERATION", "ns.s + ns.s"),
        DOUBLING.replace("OPERATION", "ns.s * 2"),
        DOUBLING.replace("OPERATION", "[ns.s, ns.s]|join"),
        DOUBLING.replace("OPERATION", "ns.s|replace('x', 'xx')"),
        "{% for i in range(99999) %}{{ 'x' * 100 }}{% endfor %}",
    ],
    ids=range(18),
)
def test_a_template_cannot_keep_the_machine_busy(text: str) -> None:
    reports: list[tuple[int, str, str]] = []
    before = time.process_time()
    result = rendered(text, {}, lambda line, why, code: reports.append((line, why, code)))
    assert time.process_time() - before < 5
    assert result == ""
    ((_, why, code),) = reports
    assert code in ("template.too-much-work", "template.too-large", "template.failed")
    assert why


def test_what_the_limits_change_is_changed_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGVTALRM)
    rendered("{{ 'x' * 9999999999 }}", {}, lambda *_: None)
    rendered("{{ 'x' * 3 }}", {}, lambda *_: None)
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGVTALRM)) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_usual_sums_still_work() -> None:
    text = "{{ 'x' * 3 }} {{ 2 ** 10 }} {{ 3 * 4 }} {{ 2 ** -1 }} {{ [1] * 2 }} {{ 1.5 * 2 }}"
    assert rendered(text, {}, lambda *told: pytest.fail(str(told))) == "xxx 1024 12 0.5 [1, 1] 3.0"


@pytest.mark.parametrize(
    ("main", "template"),
    [
        ({"environment": {"A": '{{ "x" * 9999999999 }}'}}, ""),
        ({"command": ["sh", '{{ "x" * 9999999999 }}']}, ""),
        ({"files": [{"template": "conf.j2", "path": "/conf"}]}, '\n{{ "x" * 9999999999 }}'),
    ],
    ids=["environment", "command", "file"],
)
def test_every_text_of_an_app_is_bounded(place: Place, main: dict[str, Any], template: str) -> None:
    place.write(app("one", containers={"main": main}), templates={"one/conf.j2": template})
    assert [code for _, code in place.told("one")] == ["template.too-much-work"]


def test_an_override_is_bounded_too(place: Place) -> None:
    place.write(app("one"))
    override = {"one": {"containers": {"main": {"environment": {"A": "{{ 'x' * 9999999999 }}"}}}}}
    (mistake,) = place.caught("one", override=override)
    assert (mistake.code, mistake.source.file) == ("template.too-much-work", "test.yaml")
