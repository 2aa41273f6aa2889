"""Reads a suite's index.json: `tally.py INDEX AGENT-IS-WHAT`. Prints the tally; fails if a case failed."""

import json
import sys
from collections import Counter

GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")


def main(index, what):
    with open(index) as file:
        agents = json.load(file)
    cases = {name: case for agent in agents.values() for name, case in agent.items()}
    # A case is as good as the worse of its two verdicts; the order is from good to bad.
    verdicts = {}
    for name, case in cases.items():
        both = (case["behavior"], case["behaviorClose"])
        rank = {verdict: at for at, verdict in enumerate(GOOD)}
        verdicts[name] = max(both, key=lambda verdict: rank.get(verdict, len(GOOD)))
    tally = Counter(verdicts.values())
    failed = [name for name, verdict in verdicts.items() if verdict not in GOOD]
    print(
        f"{what}: {len(cases)} cases: {tally['OK']} ok, {tally['NON-STRICT']} non-strict, "
        f"{tally['INFORMATIONAL']} informational, {len(failed)} failed"
    )
    for name in failed:
        print(f"  {name}: {verdicts[name]}")
    return 1 if failed or not cases else 0


sys.exit(main(*sys.argv[1:]))
