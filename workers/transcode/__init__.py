"""The transcode worker: probe, plan a ladder, encode ranges of segments, verify what is stored, publish by one PUT."""
