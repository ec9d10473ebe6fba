"""An app's first settings: copied once into its state where nothing lies yet, with its owner, before it starts; never again."""

from portable.model import plan as p
from portable.model.rendering import Rendering
from portable.model.secret_refs import SecretRef
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.golden.places import services, state_on
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """Qbittorrent with a seed that holds a secret, and one that doesn't."""
    config = p.Mount(volume="qbittorrent-config", path="/config")
    seeds = (
        p.FileMount(file="qbittorrent-conf", path="/config/qBittorrent/qBittorrent.conf", seed=True),
        p.FileMount(file="categories", path="/config/qBittorrent/categories.json", seed=True),
    )
    return make_plan(
        app(
            "qbittorrent", containers=(container(identity=p.Identity(how="puid-pgid", uid=1001, gid=1002), files=seeds, mounts=(config,)),)
        ),
        volumes=(state_on(back_end, "qbittorrent"),),
        files=(
            p.File(
                id="qbittorrent-conf",
                body=("[Preferences]\nPassword=", SecretRef(name="qbittorrent-login", key="hash"), "\n"),
                mode=0o400,
            ),
            p.File(id="categories", body=("{}\n",)),
        ),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """The app itself has no file: it would hide what it wrote. What copies it never overwrites."""
    if is_host(back_end):
        assert not {"configs", "secrets"} & set(services(rendering)["qbittorrent"])
        script = rendering.documents[0].body["configs"]["init-script"]["content"]
        target = "/places/qbittorrent-config/qBittorrent/qBittorrent.conf"
        assert f"seed /seeds/qbittorrent-conf {target} 1001 1002 0600\n" in script
        assert services(rendering)["qbittorrent"]["depends_on"]["init"]["condition"] == "service_completed_successfully"
