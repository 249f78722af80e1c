# The worker, the board and the command line in one image; docker-compose.yml says who runs what.
# It holds no Redis: give it TRACKYARD_REDIS_URL.

FROM node:20-bookworm-slim AS build
# better-sqlite3 is compiled where no prebuilt binary can be fetched.
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 make g++ \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-progress
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY workers ./workers
COPY scripts ./scripts
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
ENV NODE_ENV=production \
    TRACKYARD_DATA_DIR=/data
# A new volume at /data takes its owner from here.
RUN mkdir /data && chown node:node /data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
ENTRYPOINT ["node", "dist/scripts/trackyard-batch.js"]
CMD ["--help"]
