"""The one error of this package: what failed, where, how to mend."""


class ClusterError(Exception):
    """A cluster, an image or a tool could not be made; the message says what, where and how to mend it."""
