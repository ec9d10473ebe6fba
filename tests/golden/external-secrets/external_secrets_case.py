"""Secrets that the External Secrets Operator fetches: a value, a certificate, and a file that is a template; no value in any file."""

from portable.model import plan as p
from portable.model.external import ExternalSecrets, RemoteValue
from portable.model.rendering import Rendering
from portable.model.secret_refs import SecretRef
from tests.factories import app, container
from tests.factories import plan as make_plan

NOT_FOR = ("compose",)


def plan(back_end: str) -> p.Plan:
    """One app that takes secrets in every way; an optional one is not fetched."""
    demo = app(
        "demo",
        containers=(
            container(
                env={"API_KEY": SecretRef(name="demo-api"), "CLAIM": SecretRef(name="demo-claim", optional=True)},
                files=(p.FileMount(file="demo-conf", path="/etc/demo/demo.conf"),),
                secrets=(p.SecretMount(secret="demo-tls", keys=("tls.crt", "tls.key"), path="/etc/tls"),),
            ),
        ),
    )
    login = SecretRef(name="demo-login", key="password")
    return make_plan(
        demo,
        files=(p.File(id="demo-conf", body=("user = demo\npassword = ", login, "\nbanner = {{ hello }}\n"), mode=0o400),),
        external_secrets=ExternalSecrets(
            store="vault",
            values=(
                RemoteValue(secret="demo-api", key="value", remote="media/demo-api", field="value"),
                RemoteValue(secret="demo-login", key="password", remote="logins/demo", field="password", version="3"),
                RemoteValue(secret="demo-tls", key="tls.crt", remote="media/demo-tls", field="tls.crt"),
                RemoteValue(secret="demo-tls", key="tls.key", remote="media/demo-tls", field="tls.key"),
            ),
        ),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """Pods refer to the same Secrets as without an operator, and each of them is made by one ExternalSecret."""
    made = {d.body["spec"]["target"]["name"]: d.body["spec"] for d in rendering.documents if d.body["kind"] == "ExternalSecret"}
    assert set(made) == {"demo-api", "demo-conf", "demo-tls"}
    assert made["demo-tls"]["target"]["template"]["type"] == "kubernetes.io/tls"
    text = made["demo-conf"]["target"]["template"]["data"]["demo.conf"]
    assert text == 'user = demo\npassword = {{ .s_demo_login_password }}\nbanner = {{ "{{" }} hello }}\n'
