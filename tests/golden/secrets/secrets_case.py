"""A secret as a variable, as a key in a file of its own, and inside a text: always a reference, never a value."""

from portable.model import plan as p
from portable.model.rendering import Rendering
from portable.model.secret_refs import SecretRef
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.golden.places import services
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """One app that takes secrets in every way, required and optional."""
    demo = app(
        "demo",
        containers=(
            container(
                env={
                    "API_KEY": SecretRef(name="demo-api"),
                    "CLAIM": SecretRef(name="demo-claim", optional=True),
                    "PLAIN": "no secret: ${API_KEY} and $5",
                },
                files=(
                    p.FileMount(file="demo-conf", path="/etc/demo/demo.conf"),
                    p.FileMount(file="plain-conf", path="/etc/demo/plain.conf"),
                ),
                secrets=(
                    p.SecretMount(secret="demo-tls", keys=("tls.crt", "tls.key"), path="/etc/tls"),
                    p.SecretMount(secret="demo-token", keys=("value",), path="/etc/token", optional=True),
                ),
            ),
        ),
    )
    return make_plan(
        demo,
        files=(
            p.File(id="demo-conf", body=("user = demo\npassword = ", SecretRef(name="demo-login", key="password"), "\n"), mode=0o400),
            p.File(id="plain-conf", body=("price = $5\n",)),
        ),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """The text around a secret isn't in the documents either: the whole file is the secret."""
    assert "password = " not in str(rendering.documents)
    if is_host(back_end):
        environment = services(rendering)["demo"]["environment"]
        assert environment["API_KEY"] == "${PORTABLE_SECRET_DEMO_API_VALUE:?the secret is not set}"
        assert environment["CLAIM"] == "${PORTABLE_SECRET_DEMO_CLAIM_VALUE:-}"
        assert all(set(secret) == {"environment"} for secret in rendering.documents[0].body["secrets"].values())
