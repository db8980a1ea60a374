"""A real Kubernetes for tests, wherever they run.

`fixture.cluster` chooses between three providers: an existing cluster (by opt-in), kind, and a single-node
cluster of plain processes. `python -m tests.cluster` drives the last one by hand. See docs/local-cluster.md.
"""
