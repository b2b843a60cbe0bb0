# The hub and its command line, on Debian 12.
#
#   docker build --tag eventhub .
#   docker run --name hub --publish 127.0.0.1:7070:7070 --volume eventhub-data:/data eventhub
#
# In a container the hub listens on all addresses; who can reach it is what --publish says. Beyond this machine: TLS, see
# README.md.
#
# Runs as a user without rights, and with --read-only --cap-drop=ALL: it writes to /data alone.

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
      libstdc++6 libisal2 libxxhash0 libyaml-cpp0.7 \
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
# Live, not ready: engines that act on it start the container anew, which gives a full disk no room.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["eventhub", "health", "--live", "--quiet"]
ENTRYPOINT ["eventhubd"]
