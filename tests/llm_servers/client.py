"""A client in a process of its own: `python -m llm_servers.client URL JOURNAL N [MAX_IN_FLIGHT]` asks N requests.

Prints one line an answer (number, text), then the totals.
"""

import json
import sys
from pathlib import Path

from hnhub.llm.open import open_model
from hnhub.llm.types import Message, Request

SCHEMA = '{"additionalProperties":false,"properties":{"negative":{"maxLength":200,"type":"string"}},"required":["negative"],"type":"object"}'


def request(number: int) -> Request:
    messages = (Message("system", "Write a negative."), Message("user", f"query {number}"))
    return Request(f"q{number}", "llm", messages, SCHEMA, "0" * 64, 50, 0.6, 0.95, number)


def main(url: str, journal: str, count: str, max_in_flight: str = "32") -> None:
    with open_model([url], journal=Path(journal), max_in_flight=int(max_in_flight)) as model:
        for answer in model.ask(request(i) for i in range(int(count))):
            print(answer.request.id, answer.text, flush=True)
        print(json.dumps(model.totals), flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
