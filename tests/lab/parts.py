"""The parts that apps bring along, as the shipped catalog has them: databases that start before their app, and what ends TLS.

The programs that they serve can't be had here, so each main container is a small one that calls the part as its app would. Beside them
Unmanic, which is no part but the real app.
"""

import tempfile
from pathlib import Path

from portable.backends.prepare import Prepared, prepare
from tests.lab.local import Local

TEXT = """\
portable: 1
name: lab
about: Parts of apps, each with a small container in place of the app's own, and Unmanic
extends: local
apps: [plex, riven, tubearchivist, unmanic]
clouds: []
exposure:
  default: none
  apps: {{sabnzbd: null, webdav: null, plex: {{tls: {{loopback: {{number: {plex}}}}}}},
    unmanic: {{web: {{loopback: {{number: {unmanic}}}}}}}}}
storage:
  library: {{folder: {folder}/library}}
  state: {{folder: {folder}/config}}
override:
  gerbera: null
  unmanic: {{containers: {{main: {{probe: {{period: 2s}}}}}}}}
  # Counts its starts in the database, and is healthy once it has.
  riven:
    clouds: []
    ports: {{web: null, api: null}}
    containers:
      frontend: null
      main:
        image: {{repository: docker.io/library/postgres, tag: "17.10", digest: null}}
        recipe: postgres
        identity: user
        needs: null
        environment: null
        library: null
        command:
          - sh
          - -c
          - >-
            psql -h 127.0.0.1 -p {{{{ ports.database }}}} -U riven riven -v ON_ERROR_STOP=1
            -c 'create table if not exists starts (at timestamptz default now())' -c 'insert into starts default values'
            && touch /dev/shm/ready; trap exit TERM; sleep 1000000 & wait
        probe: {{http: null, exec: [test, -e, /dev/shm/ready], period: 1s}}
  # The same, in its queue.
  tubearchivist:
    ports: {{search: null, application: null}}
    volumes: {{search: null}}
    containers:
      search: null
      main:
        image: {{repository: docker.io/library/redis, tag: 8.2.10-alpine, digest: null}}
        recipe: redis
        identity: user
        needs: null
        environment: null
        secrets: null
        library: null
        command:
          - sh
          - -c
          - redis-cli -p {{{{ ports.queue }}}} incr starts && touch /dev/shm/ready; trap exit TERM; sleep 1000000 & wait
        probe: {{http: null, exec: [test, -e, /dev/shm/ready], period: 1s}}
  # Answers where Plex would.
  plex:
    clouds: []
    containers:
      main:
        image: {{repository: docker.io/library/busybox, tag: 1.37.0, digest: null}}
        recipe: tools
        identity: user
        needs: null
        environment: null
        fetch: wget
        command:
          - sh
          - -c
          - >-
            mkdir /tmp/page && echo played >/tmp/page/identity; trap exit TERM;
            httpd -f -p 127.0.0.1:{{{{ ports.web }}}} -h /tmp/page & wait
        probe: {{period: 1s}}
"""


def parts(folder: Path) -> Local:
    """A stack of them in that folder."""
    return Local(folder, text=TEXT, published=("plex", "unmanic"))


def needed() -> Prepared:
    """The stack as it would be rendered anywhere, for what it needs."""
    with tempfile.TemporaryDirectory() as nowhere:
        stack = parts(Path(nowhere) / "parts")
        return prepare("lab", folder=stack.folder)
