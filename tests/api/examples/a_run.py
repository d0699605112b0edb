"""What a build has made: rows, facts, what was dropped, the card."""

import sys

import hnhub
from hnhub.errors import HnhubError

run = hnhub.open_run(sys.argv[1])
print(run)
rows = run.dataset("bm25", split="train")
for row in rows.select(range(2)):
    print(row["query"], "|", row["negative_1"])
reasons: dict[str, int] = dict(run.ledger.group_by("reason").len().sort("reason").iter_rows())
print(reasons)
print(run.to_frame("bm25-scored").select("query_id", "rank", "score").head(3))
assert run.validate() == []
print(run.card().splitlines()[1])
try:
    run.dataset("dense")
except HnhubError as error:
    print(error, error.exit_code)
