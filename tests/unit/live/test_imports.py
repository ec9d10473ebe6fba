"""Commands that only read files must not pay for the engine's clients."""

import subprocess
import sys


def test_the_clusters_client_is_imported_only_where_a_cluster_is_used() -> None:
    clients = "('kubernetes', 'urllib3', 'websocket', 'yaml')"
    program = f"import sys, portable.live.kubernetes.driver; print([m for m in {clients} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_engines_clients_are_imported_only_where_an_engine_is_used() -> None:
    modules = "portable.live.compose.verbs, portable.live.compose.images, portable.secrets.lookup, portable.engines.docker.engine"
    program = (
        f"import sys, {modules}; print([m for m in ('docker', 'python_on_whales', 'requests', 'pydantic', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
