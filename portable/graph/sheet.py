"""Write a picture as Markdown: the page of a profile in the documentation."""

from collections.abc import Iterator

from portable.graph.picture import Picture, PictureRow


def sheet(picture: Picture) -> str:
    """Return the page: description, prerequisites, apps and waived findings. It shows the drawing `<profile>.svg` beside it."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield f"<!-- Written by `portable graph -p {picture.profile} -o FILE.md`: change the profile, not this file. -->"
    yield f"# {picture.profile}"
    yield ""
    yield f"{_cell(picture.about)}."
    yield ""
    yield f"Back end `{picture.back_end}`, {len(picture.rows)} apps; the library is in `{picture.library}`" + (
        f", clouds: {', '.join(picture.clouds)}." if picture.clouds else "."
    )
    yield ""
    yield f"![Apps of {picture.profile} by network, with their access to the library and their addresses]({picture.profile}.svg)"
    yield ""
    yield "## Prerequisites"
    yield ""
    yield from (f"{number}. {text}" for number, text in enumerate(picture.prepares, 1))
    yield ""
    yield "## Apps"
    yield ""
    yield "| app | zone | reached at | address for other apps | egress | library | state |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    yield from (_row(row) for row in picture.rows)
    waived = [finding for finding in picture.findings if finding.verdict == "waived"]
    if waived:
        yield ""
        yield "## Waived findings"
        yield ""
        yield "| class | finding | apps | reason |"
        yield "| --- | --- | --- | --- |"
        grouped: dict[tuple[str, str, str], list[str]] = {}
        for finding in waived:
            grouped.setdefault((finding.class_, finding.field, finding.reason or ""), []).append(finding.app or "all")
        for (class_, field, reason), apps in grouped.items():
            yield f"| {class_} | {field} | {', '.join(sorted(set(apps)))} | {_cell(reason)} |"
    yield ""
    yield f"All findings, with remedies: `portable explain -p {picture.profile}`."


def _row(row: PictureRow) -> str:
    reached = f"runs at `{row.schedule}`" if row.schedule else "<br>".join(_cell(r.address or f"{r.how} {r.number}") for r in row.reached)
    calls = "<br>".join(f"`{called}`" for called in row.called)
    state = "<br>".join(f"`{volume.place}`" for volume in row.keeps if volume.holds != "cache")
    egress = row.egress if row.egress == "direct" or row.gateway else f"{row.egress} of {row.group}"
    return f"| {_cell(row.title)} | {row.zone} | {reached} | {calls} | {egress} | {row.library or ''} | {state} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()
