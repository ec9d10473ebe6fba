"""Write a picture as Mermaid text, which code forges and editors can draw."""

from collections.abc import Iterator

from portable.graph.picture import Picture

_EDGES = {"rw": "==>", "ro": "-->"}


def mermaid(picture: Picture) -> str:
    """Return a flowchart: exposures on the left, groups of apps in the middle, library and internet on the right."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield "flowchart LR"
    yield f"  %% {_plain(picture.stack)} in {_plain(picture.profile)}: thick lines write, thin ones read, dotted ones show the start order"
    ids = {row.app: f"a{number}" for number, row in enumerate(picture.rows)}
    for number, rows in enumerate(picture.boxes):
        yield f"  subgraph g{number}[{_quoted(f'{rows[0].group}: {rows[0].egress}')}]"
        for row in rows:
            ports = f"runs at {row.schedule}" if row.schedule else ", ".join(row.ports)
            yield f"    {ids[row.app]}[{_quoted(row.title + (f' ({ports})' if ports else ''))}]"
        yield "  end"
        if rows[0].egress == "tunnel":
            yield f"  g{number} == VPN ==> internet((internet))"
    for row in picture.rows:
        for reached in row.reached:
            address = _quoted(reached.address or str(reached.number))
            yield f"  {_id('r', reached.how)}([{_quoted(reached.how)}]) -- {address} --> {ids[row.app]}"
        if row.library:
            yield f"  {ids[row.app]} {_EDGES[row.library]} library[({_quoted('library: ' + picture.library)})]"
        for cloud in row.clouds:
            yield f"  {_id('c', cloud)}[/{_quoted('cloud ' + cloud)}/] --> {ids[row.app]}"
        for after in row.after:
            if after in ids:
                yield f"  {ids[after]} -.-> {ids[row.app]}"


def _id(kind: str, name: str) -> str:
    return f"{kind}_{name.replace('-', '_')}"


def _quoted(text: str) -> str:
    return '"' + _plain(text) + '"'


def _plain(text: str) -> str:
    """Escape the characters that have a meaning in Mermaid."""
    return text.replace("#", "#35;").replace('"', "#quot;").replace("\n", " ")
