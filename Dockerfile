# The hub and its command line, on Debian 12.
#
#   docker build --tag eventhub .
#   docker run --name hub --publish 127.0.0.1:7070:7070 --volume eventhub-data:/data eventhub
#
# In a container the hub listens on all addresses; --publish decides who can reach it. Beyond this machine, use TLS: see
# README.md.
#
# Runs as an unprivileged user, and works with --read-only --cap-drop=ALL: it writes only to /data.

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY deploy/install-packages.sh deploy/
RUN deploy/install-packages.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DEVENTHUB_BUILD_TESTS=OFF \
 && cmake --build build/release --target eventhubd eventhub \
 && install -D --strip -t /out/usr/bin build/release/bin/eventhubd build/release/bin/eventhub

FROM debian:bookworm-slim
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
      libabsl20220623 libfmt9 libgrpc++1.51 libgrpc29 libprotobuf32 librocksdb7.8 libspdlog1.10 \
      ca-certificates libcurl4 libisal2 libpugixml1v5 libstdc++6 libxxhash0 libyaml-cpp0.7 libzstd1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 7070 eventhub \
 && useradd --system --uid 7070 --gid eventhub --no-create-home --home-dir /data eventhub \
 && install --directory --owner=eventhub --group=eventhub --mode=0700 /data
COPY --from=build /out /
COPY LICENSE /usr/share/doc/eventhub/

USER 7070:7070
ENV EVENTHUB_DATA_DIR=/data EVENTHUB_LISTEN=0.0.0.0:7070 EVENTHUB_LOG_FORMAT=json
VOLUME /data
EXPOSE 7070
STOPSIGNAL SIGTERM
# Live, not ready: engines that act on it restart the container, which does not free a full disk.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["eventhub", "health", "--live", "--quiet"]
ENTRYPOINT ["eventhubd"]
