"""A gateway's tunnel carries what its apps send, and seldom has to be made anew. Its own health tells both minutes later, or never."""

import time
from collections.abc import Iterator
from functools import partial

from portable.backends.common import Placed
from portable.live.tunnel import LINES, MANY, TRAFFIC, Traffic, look_through, restarts, traffic, tunnels
from portable.live.view import View
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown


def check(stack: View) -> Iterator[Found]:
    """Each gateway with a tunnel: whether anything comes back through it, and how often its VPN was restarted."""
    there = {app.name: placed for app, placed in running_apps(stack)}
    logs = f"`portable logs -p {stack.plan.profile} -n 50 {{}}` shows why"
    for gateway in tunnels(stack.plan):
        if gateway not in there:
            continue
        verdict, text, clock = look_through(partial(_asked, stack, there[gateway]))
        if verdict == "silent":
            remedy = f"wait 3 minutes: the gateway restarts its VPN by itself; {logs.format(gateway)}"
            yield broken(gateway, text, remedy)
        else:
            yield (holds if verdict == "carries" else unknown)(gateway, text)
        started = stack.look(there[gateway]).since
        found = restarts(stack.dated_logs(there[gateway], LINES), started=started, now=clock or time.time())
        if found.recent > MANY:
            text = f"{found.sentence()}; {found.recent} of them within the last 10 minutes"
            yield broken(gateway, text, f"look at the key, the provider's servers and this place's uplink; {logs.format(gateway)}")
        else:
            yield holds(gateway, found.sentence() or "VPN not restarted since the gateway was started")


def _asked(stack: View, gateway: Placed) -> Traffic | str:
    """What went through the tunnel just now; why that is not known."""
    said = stack.inside(gateway, TRAFFIC.command(), user="0")
    return traffic(said.text) if said.done else f"its tunnel can't be looked at: {said.text or said.code}"


CONTRACT = Contract(name="tunnel", promise="the tunnel of every gateway carries traffic, and its VPN seldom restarts", check=check)
