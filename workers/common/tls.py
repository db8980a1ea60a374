"""Whom to trust: the machine's certificate authorities, and one more."""

import ssl


def trusting(pem: str | None) -> ssl.SSLContext:
    """A client's TLS context that verifies names and chains; `pem` adds authorities to the machine's.

    Raises ValueError when `pem` holds no certificate.
    """
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:  # an image without ca-certificates
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    if pem is not None:
        try:
            context.load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            raise ValueError("no PEM certificate") from None
    return context
