"""Kubeconfig files, complete in themselves: certificates are embedded, so that a file can be carried about."""

import base64
import json
from pathlib import Path


def write(path: Path, server: str, pki: Path, user: str) -> None:
    """Writes the kubeconfig of `user` (a certificate of pki.make) for the API server at `server`; JSON is YAML."""

    def embedded(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "narwhal", "cluster": {"server": server, "certificate-authority-data": embedded("ca.crt")}}
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": embedded(f"{user}.crt"),
                    "client-key-data": embedded(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": "narwhal", "context": {"cluster": "narwhal", "user": user}}],
        "current-context": "narwhal",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1))
