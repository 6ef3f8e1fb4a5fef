# The operator's image: its binary on a base without a shell.
#
#   docker build --tag registry.example.com/session-export-operator:0.1.0 .     builds the binary as well
#   tools/image.sh                                                              takes a prebuilt one, and pulls nothing
#
# The digests are those of indexes for amd64 and arm64. RUST is the version of rust-toolchain.toml. Both are Debian 12: a
# binary runs on no older glibc than the one that it was linked with.
ARG RUST=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
ARG BASE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

FROM ${RUST} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin session-export-operator \
	&& install -D --target-directory /files target/release/session-export-operator

# What the image adds to its base. A folder takes its place with --build-context files=FOLDER.
FROM scratch AS files
COPY --from=build /files /

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
# org.opencontainers.image.source and .created are added by the release: only it knows where it is published.
LABEL org.opencontainers.image.title="session-export-operator" \
	org.opencontainers.image.description="Kubernetes operator that asks Amazon GameLift Streams to export what a stream session left behind" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}"
# Owned by root, run by another. TLS to AWS trusts the base's /etc/ssl/certs/ca-certificates.crt.
COPY --from=files / /
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/session-export-operator"]
