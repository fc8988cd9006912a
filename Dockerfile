# Waymark without a database of its own: give it DATABASE_URL. docs/operations.md, "In a container", has the command.
# The build needs nothing but a registry of npm packages, Debian's packages and the base image, which is a Debian.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /waymark
COPY package.json package-lock.json .npmrc ./
COPY scripts/build.mjs scripts/bundle.mjs scripts/prepare.mjs scripts/children.mjs scripts/sbom.mjs ./scripts/
COPY tsconfig.json ./
COPY prisma ./prisma
COPY src ./src
RUN node scripts/build.mjs
# What is in the bundle, for whoever looks for known holes in it: /waymark/sbom.cdx.json.
RUN node scripts/sbom.mjs --omit=optional > sbom.cdx.json

FROM ${NODE_IMAGE}
# The init, 42 KB: process 1 ignores a SIGTERM that it doesn't listen for yet, as Node in its first second; and it has to wait for orphans.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 METRICS_HOST=0.0.0.0
WORKDIR /waymark
COPY --from=build /waymark/sbom.cdx.json ./
# The server and its packages. The embedded PostgreSQL is not in the image.
COPY --from=build /waymark/dist ./dist
COPY prisma/migrations ./prisma/migrations
COPY prisma/functions ./prisma/functions
COPY prisma/takeover ./prisma/takeover
COPY prisma/schema.sql ./prisma/
COPY package.json LICENSE ./
# The image's own ordinary user; by number, so that a cluster that refuses root can see that it is none.
USER 1000:1000
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No shell in between: tini hands SIGTERM on to the server, which then has 10 s.
ENTRYPOINT ["/usr/bin/tini", "--"]
STOPSIGNAL SIGTERM
CMD ["node", "dist/main.js", "serve"]
