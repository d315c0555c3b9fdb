# The image of all parts, target `opensqt` (default), and of the proxy in front of the live servers, target `proxy`.
#
#   docker build --tag opensqt .
#   docker build --tag opensqt-proxy --target proxy .
#
# Both use the base image's Debian packages alone, so that its security updates are theirs. A build that has to be
# repeatable pins the base by digest: --build-arg BASE_IMAGE=debian:trixie-slim@sha256:...
# Behind a proxy that breaks TLS open: --secret id=ca,src=FILE.pem adds its certificates to the build, not to the image.
ARG BASE_IMAGE=debian:trixie-slim

# Python and the certificates of public authorities: the run-time base of the parts.
FROM ${BASE_IMAGE} AS python
RUN apt-get -qq update \
    && apt-get -qq install --yes --no-install-recommends ca-certificates python3 >/dev/null \
    && rm -rf /var/cache/apt /var/cache/debconf/*-old /var/cache/ldconfig /var/lib/apt/lists/* /var/log/*

# The virtual environment. Everything that builds it stays in this stage.
FROM python AS build
ENV CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=${CERTIFICATES} NODE_EXTRA_CA_CERTS=${CERTIFICATES} \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_COMPILE=1
RUN apt-get -qq update \
    && apt-get -qq install --yes --no-install-recommends binutils python3-venv >/dev/null
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then cat /run/secrets/ca >>"$CERTIFICATES"; fi
WORKDIR /build
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/venv
COPY requirements-node.lock ./
RUN --mount=type=cache,target=/root/.cache \
    tools/bin/pip install -q --no-deps --require-hashes -r requirements-node.lock
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache \
    tools/bin/pip install -q --no-deps --require-hashes -r requirements.lock \
    && tools/bin/pip --python /opt/venv/bin/python install -q --no-deps --require-hashes -r requirements.lock
# Without packages that no part imports, debug symbols of extension modules, and the libraries' own commands.
COPY deploy/image/unused.txt ./
RUN tools/bin/pip --python /opt/venv/bin/python uninstall -q --yes -r unused.txt \
    && find /opt/venv -name '*.so' -exec strip --strip-unneeded {} + \
    && find /opt/venv/bin -type f ! -name nats-server -delete \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv
# The page's libraries, by package-lock.json: the hook of the build takes them from npm unless they are there.
COPY pyproject.toml hatch_build.py package.json package-lock.json README.md LICENSE ./
COPY cli/__init__.py cli/
RUN --mount=type=cache,target=/root/.npm tools/bin/python -m hatchling build --target wheel >/dev/null
# The parts. Byte code is checked by hash, not by time: equal sources give equal files. Times are part of a layer, too.
ARG SOURCE_DATE_EPOCH=1577836800
COPY schemas schemas
COPY bus bus
COPY producers producers
COPY engine engine
COPY lab lab
COPY liveserver liveserver
COPY cli cli
RUN tools/bin/python -m hatchling build --target wheel --clean >/dev/null \
    && tools/bin/pip --python /opt/venv/bin/python install -q --no-deps dist/*.whl \
    && cd /opt/venv/lib/*/site-packages \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash schemas bus producers engine lab liveserver cli \
    && find /opt/venv -depth -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# The proxy in front of the live servers.
FROM ${BASE_IMAGE} AS proxy
RUN apt-get -qq update \
    && apt-get -qq install --yes --no-install-recommends haproxy >/dev/null \
    && rm -rf /var/cache/apt /var/cache/debconf/*-old /var/cache/ldconfig /var/lib/apt/lists/* /var/log/*
COPY --chmod=755 deploy/image/healthcheck /usr/local/bin/
COPY --chmod=644 deploy/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg
LABEL org.opencontainers.image.title="OpenSQT proxy" \
      org.opencontainers.image.description="HAProxy in front of OpenSQT's live servers" \
      org.opencontainers.image.licenses="GPL-2.0-or-later"
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["healthcheck", "http", "8405", "/ready"]
# HAProxy then stops listening, and ends when its last connection has.
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

# All parts: `docker run opensqt engine --bus-url ...`.
FROM python AS opensqt
RUN echo opensqt:x:10001:10001:OpenSQT:/data:/usr/sbin/nologin >>/etc/passwd \
    && echo opensqt:x:10001: >>/etc/group \
    && install --directory --owner=10001 --group=10001 --mode=700 /data /keys
COPY --from=build /opt/venv /opt/venv
COPY --chmod=755 deploy/image/healthcheck /usr/local/bin/
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OPENSQT_HTTP_PORT=8080
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="OpenSQT" \
      org.opencontainers.image.description="A crypto market maker on an event bus" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /data
# Each part serves /health on this port. The bus is checked by: healthcheck bus 4222.
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s CMD ["healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["opensqt"]
CMD ["--help"]
