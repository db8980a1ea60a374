# The images operator, download, torrent and transcode: one target each.
#
#   buildah bud --target operator --build-arg BASE_IMAGE=… -t narwhal-operator .
#
# An image is made of files, not of a distribution: Debian's Python, for transcode Debian's FFmpeg, the libraries they load
# (hack/images/rootfs.py), a virtual environment of hashed wheels, and the packages of ours it runs. No shell, no package
# manager, nothing to install with. Each target ends with hack/images/smoke.py: it imports every module of ours, asks the
# dynamic linker about every library, and has FFmpeg encode.
#
# Pinned: Python packages by hash (requirements/*.lock), the base by the digest a release gives as BASE_IMAGE. Debian's
# packages are those of the base's release on the day of the build: a version pin breaks with the next security update, which
# takes the old version off the mirrors; what was taken stands in /var/lib/dpkg/status.d of the image.

# Plain Debian 12 (bookworm): a registry's or a debootstrap one.
ARG BASE_IMAGE=debian:bookworm-slim

# ---- Build stages: nothing of these is in an image but what is copied out of them ----------------------------------------

FROM ${BASE_IMAGE} AS debian
ENV DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
RUN apt-get update -q && apt-get install -qy --no-install-recommends binutils python3-venv
RUN python3 -m venv /tools && python3 -m venv --without-pip /venv

# What every image has: Python, a user that is nobody, and the certificate authorities of certifi, which the lock file pins
# (those in /etc/ssl of a build may be the building machine's own).
FROM debian AS runtime-files
COPY hack/images/rootfs.py /build/
RUN python3 /build/rootfs.py --into /rootfs /usr/bin/python3 /usr/bin/python3.11 /usr/lib/python3.11 /etc/os-release /usr/lib/os-release \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /rootfs /rootfs/usr/lib/python3.11 \
 && for name in bin lib lib64; do ln -s usr/$name /rootfs/$name; done \
 && mkdir -p /rootfs/etc/ssl/certs /rootfs/work \
 && ln -s /venv/lib/python3.11/site-packages/certifi/cacert.pem /rootfs/etc/ssl/certs/ca-certificates.crt \
 && mkdir -m 1777 /rootfs/tmp \
 && chown 65532:65532 /rootfs/work \
 && echo 'narwhal:x:65532:65532::/nonexistent:/sbin/nologin' > /rootfs/etc/passwd \
 && echo 'narwhal:x:65532:' > /rootfs/etc/group \
 && echo 'hosts: files dns' > /rootfs/etc/nsswitch.conf

FROM debian AS program-files
RUN apt-get update -q && apt-get install -qy --no-install-recommends ffmpeg
COPY --from=runtime-files /rootfs /beneath
COPY hack/images/rootfs.py /build/
# setpriv: the kernel ends FFmpeg with the worker, however that ends. nice: verification gives way to encoding. The record of FFmpeg's
# version spares each pod a start of it (workers/transcode/engine.py).
RUN python3 /build/rootfs.py --into /rootfs --beneath /beneath \
    /usr/bin/ffmpeg /usr/bin/ffprobe /usr/bin/nice /usr/bin/setpriv \
 && mkdir -p /rootfs/usr/share/narwhal \
 && (stat -L -c %s /usr/bin/ffmpeg && ffmpeg -version | head -n 1) > /rootfs/usr/share/narwhal/ffmpeg

# The virtual environments. Left out of them is what is only built with or tested with, and debugging symbols.
FROM debian AS operator-venv
COPY requirements/operator.lock /build/
COPY hack/images/make-venv /build/
RUN /build/make-venv /build/operator.lock

FROM debian AS download-venv
COPY requirements/download.lock /build/
COPY hack/images/make-venv /build/
RUN /build/make-venv /build/download.lock

FROM debian AS torrent-venv
COPY requirements/torrent.lock /build/
COPY hack/images/make-venv /build/
RUN /build/make-venv /build/torrent.lock

FROM debian AS transcode-venv
COPY requirements/transcode.lock /build/
COPY hack/images/make-venv /build/
RUN /build/make-venv /build/transcode.lock

# Our own packages: of the operator's, a worker gets the contract alone. Of the two bases of its models each has its own (ADR 0032):
# the operator validates, by pydantic; a worker checks types, by msgspec.
FROM debian AS operator-code
COPY narwhal_operator /code/narwhal_operator
RUN rm /code/narwhal_operator/contract/trusted.py && python3 -m compileall -q --invalidation-mode unchecked-hash -s /code /code

FROM debian AS worker-code
COPY narwhal_operator/__init__.py /code/narwhal_operator/__init__.py
COPY narwhal_operator/contract /code/narwhal_operator/contract
COPY workers/__init__.py /code/workers/__init__.py
COPY workers/common /code/workers/common
RUN rm /code/narwhal_operator/contract/validated.py

FROM worker-code AS download-code
COPY workers/download /code/workers/download
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -s /code /code

FROM worker-code AS transcode-code
COPY workers/verify /code/workers/verify
COPY workers/transcode /code/workers/transcode
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -s /code /code

# ---- The images ----------------------------------------------------------------------------------------------------------

FROM scratch AS runtime
COPY --from=runtime-files /rootfs /
# Safe path: a module that lies in the working directory is never imported. Bytecode is compiled above; the root is read-only. Pydantic, where
# it is, would look for plugins in every package: there are none.
ENV PATH=/venv/bin:/usr/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONSAFEPATH=1 \
    PYDANTIC_DISABLE_PLUGINS=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Narwhal" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532

FROM runtime AS operator
LABEL org.opencontainers.image.title="narwhal-operator" \
      org.opencontainers.image.description="Kubernetes operator that turns a video into one that plays everywhere"
COPY --from=operator-venv /venv /venv
COPY --from=operator-code /code /venv/lib/python3.11/site-packages
RUN --mount=type=bind,source=hack/images,target=/build ["python3", "/build/smoke.py", "operator"]
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "narwhal_operator"]

FROM runtime AS download
LABEL org.opencontainers.image.title="narwhal-download" \
      org.opencontainers.image.description="Narwhal's worker that fetches one source into one object"
COPY --from=download-venv /venv /venv
COPY --from=download-code /code /venv/lib/python3.11/site-packages
RUN --mount=type=bind,source=hack/images,target=/build ["python3", "/build/smoke.py", "download"]
WORKDIR /work
EXPOSE 9090
ENTRYPOINT ["python3", "-m", "workers.download"]

# The same worker with libtorrent: only downloads of torrents need it, and the others shall not carry it.
FROM runtime AS torrent
LABEL org.opencontainers.image.title="narwhal-torrent" \
      org.opencontainers.image.description="Narwhal's worker that fetches one torrent into objects"
COPY --from=torrent-venv /venv /venv
COPY --from=download-code /code /venv/lib/python3.11/site-packages
RUN --mount=type=bind,source=hack/images,target=/build ["python3", "/build/smoke.py", "torrent"]
WORKDIR /work
EXPOSE 9090
ENTRYPOINT ["python3", "-m", "workers.download"]

FROM runtime AS transcode
LABEL org.opencontainers.image.title="narwhal-transcode" \
      org.opencontainers.image.description="Narwhal's worker that turns one object into one ladder" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later"
COPY --from=program-files /rootfs /
COPY --from=transcode-venv /venv /venv
COPY --from=transcode-code /code /venv/lib/python3.11/site-packages
RUN --mount=type=bind,source=hack/images,target=/build ["python3", "/build/smoke.py", "transcode"]
WORKDIR /work
EXPOSE 9090
ENTRYPOINT ["python3", "-m", "workers.transcode"]
