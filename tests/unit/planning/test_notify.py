"""The section `notify` becomes references to secrets, which no container uses."""

from portable.model.plan import Notify
from portable.model.secret_refs import SecretRef
from portable.secrets.needs import Need, needs_of, notify_needs
from tests.unit.planning import Place, app

SECTION = {
    "url": {"secret": "notify-url"},
    "ping": {"heal": {"secret": "ping", "key": "heal"}, "backup": {"secret": "ping", "key": "heal"}},
}


def test_it_is_in_the_plan_and_no_app_needs_its_secrets(place: Place) -> None:
    place.write(app("one"))
    planned = place.plan("one", notify=SECTION)
    ping = SecretRef(name="ping", key="heal", optional=True)
    assert planned.plan.notify == Notify(url=SecretRef(name="notify-url", optional=True), pings={"backup": ping, "heal": ping})
    assert needs_of(planned.plan) == ()
    assert notify_needs(planned.plan) == (
        Need(name="notify-url", key="value", optional=True, apps=("notify",)),
        Need(name="ping", key="heal", optional=True, apps=("notify",)),
    )
    assert set(planned.secrets) == {"notify-url", "ping"}
    assert "`portable backup` or `portable heal`" in planned.secrets["ping"].about


def test_without_a_section_there_is_none(place: Place) -> None:
    place.write(app("one"))
    planned = place.plan("one")
    assert planned.plan.notify is None
    assert notify_needs(planned.plan) == ()


def test_an_empty_section_is_a_mistake(place: Place) -> None:
    place.write(app("one"))
    assert [(m.path, m.code) for m in place.caught("one", notify={})] == [("notify", "notify.empty")]


def test_an_unknown_command_is_a_mistake_and_so_is_a_url_in_the_profile(place: Place) -> None:
    place.write(app("one"))
    for section in ({"ping": {"status": {"secret": "ping"}}}, {"url": "ntfy://ntfy.example.test/topic"}):
        assert [m.path.split(".")[0] for m in place.caught("one", notify=section)] == ["notify"]
