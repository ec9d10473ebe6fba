"""`up`, `diff`, `status` and `down` of a small stack on a real API server."""

from portable.model.progress import Event
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import TOKEN, driver, plan, reader, stack

SECONDS = 120.0


def test_up_applies_everything_and_a_second_one_writes_nothing(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = stack(plan(namespace))
    with driver(server, made, secret_file) as chosen, reader(server, made, secret_file) as looking:
        foretold = looking.diff()
        events: list[Event] = []
        done = chosen.up(deadline=SECONDS, progress=events.append)
        assert {(c.kind, c.service) for c in foretold} == {(c.kind, c.service) for c in done.changes}
        assert {("create", "one"), ("create", "two"), ("create", f"Namespace {namespace}")} <= {(c.kind, c.service) for c in done.changes}
        assert all(change.cause for change in done.changes)
        assert {event.subject for event in events if event.what == "doing"} >= {"one", "two"}
        assert {row.service: (row.state, row.health, row.reason) for row in done.rows} == {
            "one": ("running", "healthy", ""),
            "two": ("running", "healthy", ""),
        }
        assert TOKEN not in str(events) + str(done)
        before, tries = len(server.writes()), server.tries()
        assert looking.diff() == ()
        assert chosen.up(deadline=SECONDS).changes == ()
        assert server.writes()[before:] == []
        assert server.tries() == tries  # managed fields tell that nothing would change: no object is asked for
