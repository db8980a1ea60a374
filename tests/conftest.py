"""What all tests share."""

from hypothesis import settings

pytest_plugins = ["tests.support.plugin", "tests.cluster.fixture"]

# How long an example takes is the machine's load: a deadline of its own would fail for that alone.
settings.register_profile("narwhal", deadline=None)
settings.load_profile("narwhal")
