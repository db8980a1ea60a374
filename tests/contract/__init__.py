"""The contract on a real API server: what it accepts, what it refuses and in which words."""
