"""Real things that tests stand on: an S3 server, an HTTP origin that can lie, certificates, workers as processes."""
