"""The secrets by which messages are sent; those of containers are in test_environment.py."""

import pytest

from portable.model import plan as p
from portable.model.secret_refs import SecretRef
from portable.secrets.needs import Need, notify_needs
from tests.factories import plan


@pytest.mark.parametrize(
    ("notify", "keys"),
    [
        (None, []),
        (p.Notify(), []),
        (p.Notify(url=SecretRef(name="s", key="u")), ["u"]),
        (p.Notify(pings={"backup": SecretRef(name="s", key="p")}), ["p"]),
        (p.Notify(url=SecretRef(name="s", key="u"), pings={"backup": SecretRef(name="s", key="p")}), ["p", "u"]),
        (p.Notify(url=SecretRef(name="s", key="u"), pings={"backup": SecretRef(name="s", key="u")}), ["u"]),
    ],
)
def test_messages_need_each_secret_once(notify: p.Notify | None, keys: list[str]) -> None:
    assert notify_needs(plan(notify=notify)) == tuple(Need(name="s", key=key, optional=True, apps=("notify",)) for key in keys)
