"""Every field of every kind to its bounds and beyond, at the API server and at the models."""

from typing import Any

import pytest

from tests.contract.apiserver import Apiserver
from tests.contract.manifests import local_verdict, schema
from tests.contract.spec_bases import LEAST, stepped
from tests.contract.test_crds import PLURALS, manifest
from tests.support.spec_walk import Step, steps

NARROWER = {
    "must not be set in a template": "ttlSecondsAfterFinished",
    "must be at most 736 bytes in UTF-8, for the titles' names follow it": "prefix",
}
"""What a library forbids of values its parts allow, and the field."""


def walk(kind: str) -> list[Step]:
    """All steps of a kind's spec."""
    return list(steps(schema(PLURALS[kind])["properties"]["spec"]))


def refusal(answer: dict[str, Any]) -> str | None:
    """The API server's words, or None."""
    return str(answer.get("message")) if answer.get("kind") == "Status" else None


@pytest.mark.parametrize("kind", LEAST)
def test_each_bound_is_taken_and_nothing_beyond_it(api: Apiserver, kind: str) -> None:
    """A legal value is taken, any other refused in words that name its field; a local run judges the same."""
    wrong = []
    for step in walk(kind):
        body = manifest(kind, spec=stepped(kind, step))
        words, local = refusal(api.would_create(PLURALS[kind], body)), local_verdict(body)
        named = words is None or step.path[-1] in words or step.path[-2] in words
        if kind == "MediaLibrary" and any(why in (words or "") and step.path[-1] == at for why, at in NARROWER.items()):
            continue
        if (words is None, local is None) != (step.legal, step.legal) or not named:
            wrong.append(f"{step} legal={step.legal}: server {words}; models {local}")
    assert not wrong, "\n".join(wrong)
