"""The contract of drivers on a real Docker engine."""

import time

import pytest

from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine, EngineReader
from portable.live.compose.driver import ComposeDriver, ComposeReader
from portable.live.driver import StackDriver, StackReader
from tests.compose_lab.stacks import SOURCE, body, changed, set_secrets, stack
from tests.driver_contract import TOKEN, DriverContract

pytestmark = pytest.mark.compose_lab
CRASHING = ["sh", "-c", "test -e /crash && exit 9; while sleep 0.2; do test -e /crash && rm /crash && exit 9; done"]


class TestCompose(DriverContract):
    """Docker Compose."""

    @pytest.fixture
    def driver(self, engine: Engine, project: str, monkeypatch: pytest.MonkeyPatch) -> StackDriver:
        """A project of this test alone."""
        set_secrets()
        monkeypatch.setenv("PORTABLE_SECRET_TOKEN", TOKEN)
        document = changed(body(project), "services", "one", "command", to=CRASHING)
        document = changed(document, "services", "one", "restart", to="no")  # as all behind a gateway
        driver = ComposeDriver(engine, stack(document), SOURCE)
        engine.hide = lambda text: text.replace(TOKEN, "<secret>")
        return driver

    @pytest.fixture
    def reader(self, driver: StackDriver) -> StackReader:
        """The same project, to look at."""
        assert isinstance(driver, ComposeDriver)
        engine = EngineReader(Address(url=driver.where, named_by="the test"), hide=driver.hide)
        return ComposeReader(engine, driver.stack, driver.source)

    def crash(self, driver: StackDriver, app: str) -> None:
        """Its program ends with an error once it finds a file."""
        driver.exec_stream(app, ["touch", "/crash"], lambda _: None)
        end = time.monotonic() + 20
        while driver.state_of(app) == "running":
            assert time.monotonic() < end, f"{app} did not end"
            time.sleep(0.1)
