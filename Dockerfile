# The worker, the board and the command line in one image; docker-compose.yml says who runs what.
# It holds no Redis: set TRACKYARD_REDIS_URL. With plain `docker run` add --init, as docker-compose.yml does.
#
# The newest LTS line of Node. The digest decides what is pulled; the tag before it is for the reader.
# After a new release: `docker buildx imagetools inspect node:24-bookworm-slim` prints the digest of its
# index, which has every platform. Change tag and digest together.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM ${NODE_IMAGE} AS build
# better-sqlite3 is compiled where no prebuilt binary can be fetched, with the headers of this image.
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 make g++ \
  && rm -rf /var/lib/apt/lists/*
ENV npm_config_nodedir=/usr/local
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-progress
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY workers ./workers
COPY scripts ./scripts
RUN npm run build && npm prune --omit=dev

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    TRACKYARD_DATA_DIR=/data
# A new volume at /data takes its owner from here.
RUN mkdir /data && chown node:node /data
WORKDIR /app
# Owned by root: the process cannot change its own code.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/scripts/trackyard-batch.js"]
CMD ["--help"]
