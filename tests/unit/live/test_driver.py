"""The contract of drivers on the fake that unit tests use, so that it can stand for a real one."""

import pytest

from portable.live.driver import StackDriver, StackReader
from portable.live.stack import Stack
from portable.secrets.sources import EnvironmentSource
from tests.driver_contract import TOKEN, DriverContract
from tests.unit.live.fake_driver import FakeApp, FakeDriver, FakeReader, World

APPS = {
    "init": FakeApp(ends=True, says=("prepared",)),
    "gateway": FakeApp(after=("init",)),
    "one": FakeApp(after=("init",), owner="gateway"),
    "two": FakeApp(after=("init",), owner="gateway"),
    "lone": FakeApp(),
}


class TestFake(DriverContract):
    """The driver without an engine."""

    @pytest.fixture
    def driver(self) -> StackDriver:
        """A world in which nothing runs yet."""
        return FakeDriver(World(APPS, (TOKEN,)), Stack(project="fake-project"), EnvironmentSource())

    @pytest.fixture
    def reader(self, driver: StackDriver) -> StackReader:
        """The same world."""
        assert isinstance(driver, FakeDriver)
        return FakeReader(driver.world, driver.stack, driver.source)

    def crash(self, driver: StackDriver, app: str) -> None:
        """It ends by itself."""
        assert isinstance(driver, FakeDriver)
        driver.world.states[app] = "exited"
