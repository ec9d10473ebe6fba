"""The verbs on Compose engines: up, diff, down, restart, status, logs, exec.

Each can be killed at any moment; the next run completes it.
"""

from portable.live.compose.apps import apps_of
from portable.live.compose.down import down
from portable.live.compose.execute import execute
from portable.live.compose.logs import has_logs, logs
from portable.live.compose.restart import restart
from portable.live.compose.status import status
from portable.live.compose.up import diff, end_copies, rehearse, up

__all__ = ["apps_of", "diff", "down", "end_copies", "execute", "has_logs", "logs", "rehearse", "restart", "status", "up"]
