"""A title by several pods: it is divided, its parts are made apart, one pod finishes it."""
