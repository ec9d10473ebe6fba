"""Variables, files, secrets and the digest of a service."""

from typing import Any

from portable.backends.common import PlacedContainer, index
from portable.backends.compose.files import digest, environment, files, mounted, secrets
from portable.backends.compose.part import join
from portable.formats.emit import Interpolated
from portable.model import plan as p
from portable.model.secret_refs import SecretRef
from tests.factories import container, plan

PLAIN = p.File(id="plain", body=("a", "b"))
SECRET = p.File(id="secret", body=("a = ", SecretRef(name="login"), "\n"), mode=0o400)


def placed(**changes: Any) -> PlacedContainer:
    return PlacedContainer("tools", container(**changes))


def test_a_variable_that_is_a_secret_is_left_to_compose_and_told() -> None:
    part = environment(placed(env={"A": "1", "B": SecretRef(name="b-key"), "C": SecretRef(name="c", optional=True)}))
    values = part.keys["environment"]
    assert values == {"A": "1", "B": "${PORTABLE_SECRET_B_KEY_VALUE:?the secret is not set}", "C": "${PORTABLE_SECRET_C_VALUE:-}"}
    assert [type(values[name]) for name in "ABC"] == [str, Interpolated, Interpolated]
    assert [(f.path, f.class_) for f in part.findings] == [("tools.env.B", "security"), ("tools.env.C", "security")]


def test_files_and_seeds() -> None:
    mount = (
        p.FileMount(file="plain", path="/etc/plain"),
        p.FileMount(file="secret", path="/etc/secret"),
        p.FileMount(file="plain", path="/config/plain", seed=True),
    )
    part = join(files(placed(files=mount), index(plan(files=(PLAIN, SECRET)))))
    assert part.keys["configs"] == [{"source": "plain", "target": "/etc/plain"}]
    assert part.keys["secrets"] == [{"source": "secret", "target": "/etc/secret"}]
    assert len(part.keys["labels"]["portable.digest"]) == 64


def test_a_copy_is_roots_so_all_may_read_what_the_owner_may() -> None:
    assert mounted(PLAIN, "/x", 0o500).keys["configs"][0]["mode"] == 0o555
    assert "mode" not in mounted(PLAIN, "/x", 0o440).keys["configs"][0]
    assert mounted(PLAIN, "/x", 0o600).keys["configs"][0]["mode"] == 0o644


def test_the_digest_knows_the_text_around_a_secret_and_no_order() -> None:
    other = p.File(id="secret", body=("b = ", SecretRef(name="login"), "\n"))
    assert digest([SECRET]) != digest([other])
    assert digest([SECRET, PLAIN]) == digest([PLAIN, SECRET])
    assert digest([]).keys == {}


def test_keys_of_a_secret_are_files() -> None:
    part = secrets(placed(secrets=(p.SecretMount(secret="tls", keys=("tls.crt", "tls.key"), path="/etc/tls/", optional=True),)))
    assert part.keys["secrets"] == [
        {"source": "tls-tls.crt", "target": "/etc/tls/tls.crt"},
        {"source": "tls-tls.key", "target": "/etc/tls/tls.key"},
    ]
    assert [f.path for f in part.findings] == ["tools.secrets.tls.optional"]


def test_an_unknown_file_is_refused() -> None:
    part = join(files(placed(files=(p.FileMount(file="nowhere", path="/x"),)), index(plan())))
    assert [(f.verdict, f.code) for f in part.findings] == [("refused", "config.file-unknown")]
    assert "'nowhere'" in part.findings[0].text
