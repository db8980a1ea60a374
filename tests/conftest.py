"""What all tests share."""

pytest_plugins = ["tests.support.plugin", "tests.cluster.fixture"]
