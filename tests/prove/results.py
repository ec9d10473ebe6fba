"""Results kept by commit, so that the last shard's last line sums up all of them."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.prove.claim import Claim
from tests.prove.running import ROOT

HOME = ROOT / ".cache" / "prove"


def commit() -> str:
    """The commit that is proven; a checkout with changes is none, and named after them."""
    head = _git("rev-parse", "--short=12", "HEAD").strip()
    changes = _git("status", "--porcelain") + _git("diff", "HEAD")
    return f"{head}+{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else head


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, errors="replace", check=True).stdout


def file_of(folder: Path, claim: Claim) -> Path:
    """Where the claim's result lies."""
    return folder / f"{hashlib.sha256(claim.name.encode()).hexdigest()[:16]}.json"


def keep(folder: Path, claim: Claim, figure: str, holds: bool, seconds: float) -> None:
    """Write one result down."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {"claim": claim.name, "figure": figure, "bar": claim.bar, "holds": holds, "seconds": round(seconds, 1)}
    file_of(folder, claim).write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def summary(folder: Path, claims: Iterable[Claim]) -> str:
    """One line over all shards of a commit so far."""
    claims = tuple(claims)
    kept = [json.loads(file.read_text()) for claim in claims if (file := file_of(folder, claim)).is_file()]
    held = sum(result["holds"] for result in kept)
    missing = f", {len(claims) - len(kept)} not run yet" if len(kept) < len(claims) else ""
    minutes = sum(result["seconds"] for result in kept) / 60
    return (
        f"{folder.name}: {held} of {len(claims)} claims hold, {len(kept) - held} fall short{missing}; {minutes:.0f} minutes over all shards"
    )
