"""What the checking process prints is read whatever else it printed."""

import pytest

from hnhub.publish.verify import _last_report


@pytest.mark.parametrize(
    ("printed", "report"),
    [
        ('{"loads": 4}\n', {"loads": 4}),
        ('{"loads": 4}\nException ignored in: <function>\n', {"loads": 4}),
        ("Segmentation fault\n", {}),
        ('{"loads": 4', {}),
        ("[1]\n3\n", {}),
        ("", {}),
    ],
)
def test_the_last_object_is_the_report(printed: str, report: dict[str, int]) -> None:
    assert _last_report(printed) == report
