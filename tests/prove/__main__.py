"""`python -m tests.prove first [--shard k/n] [--only TEXT]`: prove the claims, one line each as it ends; exit 1 where one falls short."""

import argparse
import sys
import time

from tests.prove import catalog, fence, first, mutants, results, silence, zimaboard
from tests.prove.claim import Claim
from tests.prove.running import run

SUITES = {
    "first": first.CLAIMS,
    "catalog": catalog.CLAIMS,
    "fence": fence.CLAIMS,
    "mutants": mutants.CLAIMS,
    "silence": silence.CLAIMS,
    "zimaboard": zimaboard.CLAIMS,
}


def share(claims: tuple[Claim, ...], shard: str) -> tuple[Claim, ...]:
    """The claims of shard `k/n`: every n-th, in the order of the table. Raises ValueError for what is no shard."""
    k, _, n = shard.partition("/")
    number, count = int(k), int(n)
    if not 1 <= number <= count:
        raise ValueError(f"{shard} is no shard: write k/n, 1 <= k <= n")
    return claims[number - 1 :: count]


def main() -> int:
    """Run the claims of a shard."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("suite", choices=sorted(SUITES))
    parser.add_argument("--shard", default="1/1", metavar="k/n")
    parser.add_argument("--only", default="", metavar="TEXT", help="only claims with this in their name")
    asked = parser.parse_args()
    try:
        claims = tuple(claim for claim in share(SUITES[asked.suite], asked.shard) if asked.only in claim.name)
    except ValueError as error:
        parser.error(str(error))
    folder = results.HOME / results.commit()
    print("claim | figure | bar | holds", flush=True)
    short = not claims
    for claim in claims:
        start = time.monotonic()
        log = results.file_of(folder, claim).with_suffix(".log")
        figure, holds = claim.judge(run(claim.tests, claim.environment, log))
        results.keep(folder, claim, figure, holds, time.monotonic() - start)
        print(f"{claim.name} | {figure} | {claim.bar} | {'yes' if holds else f'NO, see {log}'}", flush=True)
        short |= not holds
    print(results.summary(folder, SUITES[asked.suite]))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
