"""Which line of a log says why an app failed: real logs of many kinds of programs."""

from collections.abc import Iterator

import pytest

from portable.engines.docker.errors import UnhealthyDockerServices
from portable.live.compose.desired import Desired
from portable.live.compose.headline import headline
from portable.live.compose.waiting import Watch
from portable.model.progress import silent
from tests.unit.live.compose.test_waiting import DEMO, Starting

GLUETUN = """\
                @@@@@@@@             @@@@                       @@@@

2026-11-29T20:00:00Z ERROR {}
2026-11-29T20:00:00Z INFO Shutdown successful"""
"""As v3.41.3 ends: its logo comes before the error, its farewell after it."""
SONARR = """\
[Info] Bootstrap: Starting Sonarr - /app/sonarr/bin/Sonarr - Version 4.0.15.2941
[Info] AppFolderInfo: Data directory is being overridden to [/config]
[Fatal] ConsoleApp: EPIC FAIL!

[v4.0.15.2941] NzbDrone.Core.Datastore.CorruptDatabaseException: Database file: /config/sonarr.db is corrupt
 ---> System.Data.SQLite.SQLiteException (0x800007EF): database disk image is malformed
   at NzbDrone.Core.Datastore.DbFactory.CreateMain(String connectionString) in ./Sonarr.Core/Datastore/DbFactory.cs:line 152
Press enter to exit...
Non-recoverable failure, waiting for user intervention..."""
PYTHON = """\
2026-11-29 20:00:00,123 INFO starting
Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    import bazarr
ModuleNotFoundError: No module named 'bazarr'
[services.d] done."""
BARE = """\
Traceback (most recent call last):
  File "/app/main.py", line 9, in <module>
    assert ready()
AssertionError
worker ended"""


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (
            GLUETUN.format(
                "enabling firewall: running user defined post firewall rules: command failed: "
                "\"iptables -A INPUT -m nosuch -j ACCEPT\": iptables v1.8.9 (nf_tables): Couldn't load match `nosuch':No such file or "
                "directory\n\nTry `iptables -h' or 'iptables --help' for more information.: exit status 2"
            ),
            "ERROR enabling firewall: running user defined post firewall rules: command failed: "
            "\"iptables -A INPUT -m nosuch -j ACCEPT\": iptables v1.8.9 (nf_tables): Couldn't load match `nosuch':No such file or "
            "directory",
        ),
        (
            GLUETUN.format(
                "updater settings: VPN provider name is not valid: value is not one of the possible choices: mulvad must be one of x"
            ),
            "ERROR updater settings: VPN provider name is not valid: value is not one of the possible choices: mulvad must be one of x",
        ),
        (
            GLUETUN.format("VPN settings: Wireguard settings: private key is not set"),
            "ERROR VPN settings: Wireguard settings: private key is not set",
        ),
        (
            GLUETUN.format("no iptables supported found: errors encountered are: iptables-legacy:  (exec: not found)"),
            "ERROR no iptables supported found: errors encountered are: iptables-legacy:  (exec: not found)",
        ),
        (
            # Runs, and never gets a tunnel that carries anything.
            "2026-11-29T20:00:00Z INFO [vpn] starting\n"
            "2026-11-29T20:00:06Z WARN [vpn] restarting VPN because it failed to pass the healthcheck: startup check: "
            "all check tries failed: parallel attempt 1/1 failed: dialing: dial tcp4 1.1.1.1:443: i/o timeout\n"
            "2026-11-29T20:00:06Z INFO [vpn] stopping",
            "WARN [vpn] restarting VPN because it failed to pass the healthcheck: startup check: all check tries failed: "
            "parallel attempt 1/1 failed: dialing: dial tcp4 1.1.1.1:443: i/o timeout",
        ),
        (
            "2026-11-29T20:00:00Z ERROR [openvpn] AUTH: Received control message: AUTH_FAILED\n\nYour credentials might be wrong\n\n"
            "2026-11-29T20:00:01Z INFO [vpn] retrying in 15s",
            "ERROR [openvpn] AUTH: Received control message: AUTH_FAILED",
        ),
        ("guard: no iptables works here: not started", "guard: no iptables works here: not started"),
        (
            "(N) 2026-11-29T20:00:00 - qBittorrent v5.1.0 started. Process ID: 12\n"
            "Web UI: Unable to bind to IP: *, port: 8080. Reason: Address already in use\n[ls.io-init] done.",
            "Web UI: Unable to bind to IP: *, port: 8080. Reason: Address already in use",
        ),
        (
            "qbittorrent-nox: error while loading shared libraries: libQt6Core.so.6: cannot open shared object file: No such file\n",
            "qbittorrent-nox: error while loading shared libraries: libQt6Core.so.6: cannot open shared object file: No such file",
        ),
        (
            SONARR,
            "[v4.0.15.2941] NzbDrone.Core.Datastore.CorruptDatabaseException: Database file: /config/sonarr.db is corrupt",
        ),
        (
            "[Info] Bootstrap: x\n[Fatal] ConsoleApp: Address already in use\nPress enter to exit...",
            "[Fatal] ConsoleApp: Address already in use",
        ),
        ("[Warn] Http: trying again\nSystem.Net.WebException: timed out\n[Error] Main: no database\n", "[Error] Main: no database"),
        (
            "[20:00:00] [INF] [1] Main: Jellyfin version: 10.10.3\n[20:00:01] [FTL] [1] Main: Error while starting server\n"
            "System.IO.IOException: No space left on device : '/config/log'\n   at System.IO.RandomAccess.WriteAtOffset",
            "System.IO.IOException: No space left on device : '/config/log'",
        ),
        (
            "Unhandled exception. System.IO.FileNotFoundException: Could not load file or assembly 'x'\n   at Program.Main()",
            "Unhandled exception. System.IO.FileNotFoundException: Could not load file or assembly 'x'",
        ),
        ("info: Microsoft.Hosting[0]\n      Now listening\nfail: Host[6]\n      it fell over\ninfo: x", "fail: Host[6]"),
        (PYTHON, "ModuleNotFoundError: No module named 'bazarr'"),
        (BARE, "AssertionError"),
        ("ERROR:root:no such table: films\nINFO:root:bye", "ERROR:root:no such table: films"),
        ('{"level":"info","msg":"up"}\n{"level":"error","msg":"cannot open store","err":"locked"}\n{"level":"info","msg":"0"}',
         "cannot open store: locked"),
        ('{"level":30,"msg":"hello"}\n{"level":60,"err":{"message":"EACCES: permission denied"},"msg":"boom"}\n{"level":30,"msg":"x"}',
         "boom: EACCES: permission denied"),
        ('{"@timestamp":"2026-11-29","log.level":"ERROR","message":"node validation exception"}\n{"log.level":"INFO","message":"stopped"}',
         "node validation exception"),
        ('time="2026-11-29T20:00:00Z" level=info msg=up\ntime="2026-11-29T20:00:00Z" level=fatal msg="no config" error="x"',
         'time="2026-11-29T20:00:00Z" level=fatal msg="no config" error="x"'),
        ("2026-11-29 20:00:00.000 UTC [1] LOG:  starting PostgreSQL 17\n"
         "2026-11-29 20:00:00.000 UTC [1] FATAL:  could not access directory \"base\": Permission denied\n"
         "2026-11-29 20:00:00.000 UTC [1] HINT:  look at it",
         "[1] FATAL:  could not access directory \"base\": Permission denied"),
        ("panic: runtime error: index out of range [3]\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:7",
         "panic: runtime error: index out of range [3]"),
        ("thread 'main' panicked at src/main.rs:5:10:\ncalled `Result::unwrap()` on an `Err` value: NotFound\nnote: `RUST_BACKTRACE=1`",
         "thread 'main' panicked at src/main.rs:5:10: called `Result::unwrap()` on an `Err` value: NotFound"),
        ("node:internal/modules:1\n  throw err;\n\nError: Cannot find module '/app/index.js'\n    at Module._resolve",
         "Error: Cannot find module '/app/index.js'"),
        ('Exception in thread "main" java.lang.Error: x\n\tat A.main(A)\nCaused by: java.net.BindException: Address already in use',
         "Caused by: java.net.BindException: Address already in use"),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
         "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)"),
        ("\x1b[31mERROR\x1b[0m it broke\nbye", "ERROR it broke"),
        ("20:00:00 ERROR it broke\nbye", "ERROR it broke"),
        ("exec /init: exec format error", "exec /init: exec format error"),
    ],
)  # fmt: skip
def test_the_line_that_says_why(log: str, why: str) -> None:
    assert headline(log.splitlines()) == why


@pytest.mark.parametrize(
    "line",
    [
        "scan complete: 0 errors",
        "2026-11-29T20:00:00Z INFO finished with no errors",
        "INFO errors: 0, warnings: 3",
        "checked 12 files without errors",
        "WARN backup done, failed: 0",
        'level=info msg=done error=""',
        "error_log /dev/stderr;",
        "Registered ErrorHandler for /api",
        "[Info] MigrationController: *** Migrating data source=/config/error.db ***",
        "2026-11-29T20:00:00Z INFO [healthcheck] ERROR is what it would say",
        "2026-11-29T20:00:00Z WARN Caught OS signal terminated, shutting down",
        '{"level":"info","msg":"last error: none","error":null}',
        '{"level":30,"error":"kept for later","msg":"retry worked"}',
        "(W) 2026-11-29T20:00:00 - The settings were converted",
        "DEBUG could not find a cached copy, fetching",
        "Listening on http://[::]:8080",
    ],
)
def test_what_is_no_error_is_never_the_reason(line: str) -> None:
    assert headline([line, "bye"]) == ""


def test_an_error_counts_for_more_than_a_word_without_a_level() -> None:
    assert headline(["ERROR the cause", "cleanup failed", "INFO bye"]) == "ERROR the cause"
    assert headline(["ERROR the first", "ERROR the second", "x"]) == "ERROR the second"


def test_a_long_line_is_cut_in_the_middle() -> None:
    found = headline([f"ERROR {'x' * 5000} its cause"])
    assert len(found) < 310
    assert found.endswith("its cause")


class Failing(Starting):
    """An engine whose app logs an error, then a drawing and a farewell."""

    def logs(self, container: str, **asked: object) -> Iterator[str]:
        self.asked = asked
        return iter(["2026-11-29T20:00:00Z ERROR no key", *["   @@@@@   "] * 20, "", "2026-11-29T20:00:00Z INFO Shutdown successful"])


def test_what_failed_begins_with_its_error_and_then_shows_the_log() -> None:
    engine = Failing()
    with pytest.raises(UnhealthyDockerServices) as caught:
        Watch(engine, Desired(project="p", body={}, services=(DEMO,)), {"demo"}, silent, None).until_well()
    first, *rest = caught.value.text.splitlines()
    assert first == "demo: stopped with exit code 0; its log says: ERROR no key"
    assert [line.strip() for line in rest] == ["2026-11-29T20:00:00Z ERROR no key", "2026-11-29T20:00:00Z INFO Shutdown successful"]
    assert engine.asked == {"tail": 60}, "the error may stand far before the end"
