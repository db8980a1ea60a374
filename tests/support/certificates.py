"""Certificates of a throwaway authority, made by the openssl program."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that nobody trusts until told."""

    directory: Path

    @classmethod
    def create(cls, directory: Path) -> "Authority":
        """Makes one in an empty directory."""
        found = cls(directory)
        found._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=narwhal test authority", "-keyout", "ca.key", "-out", "ca.crt",
        )  # fmt: skip
        return found

    @property
    def path(self) -> Path:
        """The authority's own certificate."""
        return self.directory / "ca.crt"

    def context(self, name: str = "IP:127.0.0.1") -> ssl.SSLContext:
        """A server's TLS context with a certificate for a name such as `DNS:other.example`."""
        (self.directory / "ext").write_text(f"subjectAltName={name}\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=origin",
            "-keyout", "origin.key", "-out", "origin.csr",
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", "origin.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "origin.crt",
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "origin.crt", self.directory / "origin.key")
        return context

    def _openssl(self, *argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=self.directory, check=True, capture_output=True)
