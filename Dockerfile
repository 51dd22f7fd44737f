# A static image of the program alone, 4 MB. It was built and run by buildah
# with another system in place of rust:alpine; that image itself is unverified.
#   docker run -v yandex-token:/data IMAGE token
FROM rust:alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /src
COPY . .
RUN cargo build --locked --release && mkdir /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/yandex-token /
COPY --from=build --chown=1000:1000 /data /data
USER 1000:1000
ENV XDG_DATA_HOME=/data SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENTRYPOINT ["/yandex-token"]
