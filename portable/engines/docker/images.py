"""Images of an engine: ids, offers of registries, pulling, building and importing."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal

from portable.engines.docker.errors import DockerError, one_line
from portable.engines.docker.rights import image_settings
from portable.model.registry import Offered
from portable.model.rights import ImageSettings

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import Connection


class ImageReader(Connection):
    """Reads images."""

    def image_ids(self, references: Iterable[str]) -> dict[str, str]:
        """The ids of the existing images, by reference."""
        from docker.errors import NotFound

        ids: dict[str, str] = {}
        with self._doing("looking for images"):
            for reference in sorted(set(references)):
                try:
                    ids[reference] = self._api.inspect_image(reference)["Id"]  # type: ignore[no-untyped-call]
                except NotFound:
                    continue
        return ids

    def image_architectures(self, references: Iterable[str]) -> dict[str, str]:
        """The architectures of the existing images, such as amd64, by reference."""
        from docker.errors import NotFound

        found: dict[str, str] = {}
        with self._doing("looking for images"):
            for reference in sorted(set(references)):
                with contextlib.suppress(NotFound):
                    found[reference] = str(self._api.inspect_image(reference).get("Architecture") or "")  # type: ignore[no-untyped-call]
        return found

    def image_settings(self, image: str) -> ImageSettings | None:
        """The settings that an image gives its containers; None if the image does not exist."""
        from docker.errors import NotFound

        with self._doing("looking at an image"):
            try:
                return image_settings(self._api.inspect_image(image))  # type: ignore[no-untyped-call]
            except NotFound:
                return None

    def offered(self, reference: str) -> Offered:
        """The digest that a registry offers for a name and tag now, or why none. Raises DockerError if the engine is gone."""
        from docker.errors import APIError

        try:
            with self._doing("asking a registry"):
                try:
                    found = self._api.inspect_distribution(reference)  # type: ignore[no-untyped-call]
                except APIError as error:
                    text = self.hide(str(error.explanation or error))
                    return Offered(why=no_offer(int(error.status_code or 0), text), said=one_line(text))
                return Offered(digest=str(found["Descriptor"]["digest"]))
        except DockerError as trouble:
            if trouble.kind in ("absent", "gone"):
                raise
            return Offered(why="unknown", said=trouble.text)


class ImageWriter(Connection):
    """Pulls, builds and imports images."""

    def pull(self, repository: str, tag: str, on_line: Callable[[str], None]) -> None:
        """Pull an image; pass each line of progress to `on_line`. Raises RuntimeError with the registry's text."""
        from docker.errors import APIError

        with self._doing("pulling an image"):
            try:
                self._stream(self._api.pull(repository, tag=tag, stream=True, decode=True), on_line)
            except APIError as error:
                raise RuntimeError(self.hide(str(error.explanation or error))) from None

    def build(
        self,
        context: IO[bytes],
        tag: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        on_line: Callable[[str], None],
        *,
        fresh: bool = False,
    ) -> None:
        """Build an image from a tar with a Dockerfile, with the classic builder, which every engine has, near or far."""
        with self._doing("building an image"):
            stream = self._api.build(
                fileobj=context,
                custom_context=True,
                tag=tag,
                labels=dict(labels),
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
                nocache=fresh,
                timeout=3600,
            )
            self._stream(stream, on_line)

    def import_image(self, archive: IO[bytes], repository: str, tag: str, changes: Sequence[str]) -> None:
        """Import a root file system in a tar as an image."""
        with self._doing("importing an image"):
            answer = self._api.import_image_from_data(archive, repository=repository, tag=tag, changes=list(changes))
        for line in str(answer).splitlines():
            with contextlib.suppress(ValueError):
                if isinstance(event := json.loads(line), dict) and (error := event.get("error")):
                    raise self.trouble(str(error), "importing an image")

    def _stream(self, events: Iterable[Mapping[str, Any]], on_line: Callable[[str], None]) -> None:
        for event in events:
            if error := event.get("error"):
                raise RuntimeError(self.hide(str(error)))
            text = str(event.get("stream") or event.get("status") or "").strip()
            if text:
                on_line(self.hide(text))


def no_offer(status: int, text: str) -> Literal["absent", "refused", "unknown"]:
    """Classify an engine's failed request to a registry, by its status, or for status 500 by the registry's text."""
    if status in (401, 403, 429) or re.search(r"(?i)unauthorized|denied|authentication required|forbidden|too ?many ?requests", text):
        return "refused"
    return "absent" if status == 404 or re.search(r"(?i)manifest unknown|name unknown|: not found", text) else "unknown"
