"""What the admin says of sources, read from texts: the same for the operator's settings and a local run."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from narwhal_operator.contract import sources


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (sources.networks_of, " 10.0.0.0/8, fd00::/8 ", ("10.0.0.0/8", "fd00::/8")),
        (sources.networks_of, "10.0.0.1/8", ("10.0.0.0/8",)),
        (sources.networks_of, "", ()),
        (sources.hosts_of, "Origin.media.svc., *.example.org", ("origin.media.svc", "*.example.org")),
        (sources.hosts_of, " ", ()),
        (sources.proxy_of, "http://proxy.example:3128", "http://proxy.example:3128"),
        (sources.proxy_of, "http://[fd00::1]:3128/", "http://[fd00::1]:3128"),
        (sources.proxy_of, "", None),
        (sources.count_of, "", sources.PER_HOST),
        (sources.count_of, "4", 4),
        (sources.switch_of, "", False),
        (sources.switch_of, "True", True),
        (sources.switch_of, "0", False),
    ],
)
def test_a_text_is_read(parse: Callable[[str], Any], text: str, value: Any) -> None:
    """Blanks do not count, an empty text is the default."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (sources.networks_of, "10.0.0.0/8,lan", "'lan' is no network"),
        (sources.hosts_of, "*", "'*' is no host"),
        (sources.hosts_of, "http://origin", "is no host"),
        (sources.hosts_of, "a*.example.org", "is no host"),
        (sources.proxy_of, "proxy:3128", "is no proxy"),
        (sources.proxy_of, "https://proxy:3128", "is no proxy"),
        (sources.proxy_of, "http://proxy", "is no proxy"),
        (sources.proxy_of, "http://proxy:99999", "is no proxy"),
        (sources.proxy_of, "http://proxy:3128/path", "is no proxy"),
        (sources.proxy_of, "http://user:hunter2@proxy:3128", "without user and password"),
        (sources.count_of, "0", "is no number from 1 to 256"),
        (sources.count_of, "many", "is no number"),
        (sources.switch_of, "perhaps", "neither true nor false"),
    ],
)
def test_a_text_that_cannot_be_meant_so_is_refused(parse: Callable[[str], Any], text: str, words: str) -> None:
    """With words that say what to write; a password is not repeated."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


def test_a_network_may_be_asked_for_strictly() -> None:
    """The operator's settings refuse bits beyond the length of a network: they are a typing error."""
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        sources.networks_of("10.0.0.1/8", strict=True)
