"""What earlier versions of an output have that a new one needs as well: it is taken, not made again."""
