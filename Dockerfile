# Waymark without a database of its own: give it DATABASE_URL. README.md, "In a container", has the command.
# The build needs nothing but a registry of npm packages and the base image.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /waymark
COPY package.json package-lock.json .npmrc ./
COPY scripts/build.mjs scripts/prepare.mjs ./scripts/
COPY tsconfig.json tsconfig.build.json ./
COPY prisma ./prisma
COPY src ./src
RUN node scripts/build.mjs

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /waymark
COPY package.json package-lock.json .npmrc ./
# Neither the tools nor the embedded PostgreSQL's binaries (optional packages): 129 MB instead of 535 MB.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM ${NODE_IMAGE}
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000
WORKDIR /waymark
COPY --from=dependencies /waymark/node_modules ./node_modules
COPY --from=build /waymark/dist ./dist
COPY prisma/migrations ./prisma/migrations
COPY package.json LICENSE ./
# The image's own ordinary user; by number, so that a cluster that refuses root can see that it is none.
USER 1000:1000
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No shell in between: SIGTERM reaches the server, which then has 10 s.
STOPSIGNAL SIGTERM
CMD ["node", "dist/main.js", "serve"]
