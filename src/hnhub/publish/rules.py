"""What must hold before anything is sent: the folder breaks no rule, and the source's licence lets it be published."""

import itertools

from hnhub.errors import RuleBroken
from hnhub.publish.licences import may_pass_on
from hnhub.publish.push_plan import Folder
from hnhub.rows.facts import read_facts
from hnhub.rows.validate import validate

__all__ = ["refuse_unpublishable"]

_SHOWN = 3


def refuse_unpublishable(folder: Folder) -> None:
    """Raises RuleBroken if the folder breaks a rule of `hnhub validate`, or holds text that may not be passed on.

    A statement of the user's rights lifts the latter; it is given to the build, because without it no text is built in,
    and stands in the card.
    """
    violations = validate(folder.path)
    if first := list(itertools.islice(violations, _SHOWN)):
        more = " (and more)" if next(violations, None) else ""
        told = "; ".join(f"{v.rule}: {v.path}: {v.message}" for v in first)
        raise RuleBroken(f"{folder.path}: is not published: {told}{more}", do=f"see `hnhub validate {folder.path}`")
    facts = read_facts(folder.path)
    corpus = facts["corpus"]
    allowed = may_pass_on(corpus["access"], corpus["redistributable"], facts["rights_statement"])
    if facts["publishes_text"] and not allowed:
        why = (
            "does not let it be passed on"
            if corpus["redistributable"] is False
            else "is not known to let it be passed on"
        )
        raise RuleBroken(
            f"{folder.path}: holds text of {corpus['name']}, whose licence ({corpus['licence']}) {why}",
            do="say why you may to the build: --i-have-the-rights WHY (it is printed in the card)",
        )
