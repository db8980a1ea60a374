"""The docs say what the contract says."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from narwhal_operator.contract.outcome import BY_CODE, TABLE, Reason
from tests.contract.manifests import ROOT, local_verdict

PAGES = sorted((ROOT / "docs" / "spec").glob("*.md"))


@pytest.fixture(scope="module")
def gendocs() -> ModuleType:
    """The script that writes the generated parts."""
    spec = importlib.util.spec_from_file_location("gendocs", ROOT / "hack" / "gendocs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_as_generated(gendocs: ModuleType) -> None:
    """Tables and reasons are what the models say; `python hack/gendocs.py` writes them."""
    stale = [path.name for path, text in gendocs.wanted(ROOT).items() if path.read_text() != text]
    assert stale == []


def test_every_page_has_both_tables() -> None:
    """Each page of docs/spec tells every field of spec and status."""
    assert len(PAGES) == 3
    for path in PAGES:
        assert re.findall(r"^\| (spec|status)\. \|", path.read_text(), re.MULTILINE) == ["spec", "status"]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PAGES])
def test_examples_are_right(path: Path) -> None:
    """Each manifest on a page is one that is accepted."""
    blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL)
    assert blocks
    manifests = [document for block in blocks for document in yaml.safe_load_all(block)]
    assert [verdict for manifest in manifests if (verdict := local_verdict(manifest))] == []


def test_each_reason_has_a_code_a_meaning_and_a_mend() -> None:
    """The table is whole: every reason, each with a code of its own below the shell's, a meaning and a mend."""
    assert set(TABLE) == set(Reason)
    assert len(BY_CODE) == len(TABLE)
    assert all(0 <= entry.code < 126 for entry in TABLE.values())
    assert all(entry.meaning.endswith(".") and entry.mend.endswith(".") for entry in TABLE.values())
