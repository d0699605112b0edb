"""What can only be a path is never looked for on the Hub."""

import pytest

from hnhub.errors import InputError
from hnhub.text.paths import check_hub_name


@pytest.mark.parametrize(
    "name", ["nosuch.jsonl", "some/pairs.CSV", "a/b/passages.tsv.gz", "plan.toml", "/nowhere/x.parquet"]
)
def test_a_data_files_suffix_is_a_file(name: str) -> None:
    with pytest.raises(InputError, match=f"^no such file: {name}; look$"):
        check_hub_name(name, do="look")


@pytest.mark.parametrize(
    "name", ["./nodir", "../nodir", "/nodir", "~/nodir", "nodir/", "owner/nodir/", "runs/x/dataset"]
)
def test_a_paths_form_is_a_folder(name: str) -> None:
    with pytest.raises(InputError, match=f"^no such folder: {name}; look$"):
        check_hub_name(name, do="look")


@pytest.mark.parametrize("name", ["owner/name", "owner/name-v1.5", "owner/name@v1.0", "owner/name:part", "o.w/n.a"])
def test_what_may_be_on_the_hub_passes(name: str) -> None:
    check_hub_name(name, do="look", owned=True)


def test_a_name_alone_may_be_one_where_owners_may_be_left_out() -> None:
    check_hub_name("scifact", do="look")
    with pytest.raises(InputError, match=r"^no such folder: scifact; look$"):
        check_hub_name("scifact", do="look", owned=True)
