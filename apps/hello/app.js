"use strict";

// The sample app: one page, one health check, and an orderly end.

const http = require("node:http");

const port = Number(process.env.PORT ?? 8080);
const instance = (process.env.NOMAD_ALLOC_ID ?? "local").slice(0, 8);
let stopping = false;

const server = http.createServer((request, response) => {
  // While stopping, say so to the load balancer and to clients that would keep the connection.
  if (stopping) response.setHeader("Connection", "close");
  response.setHeader("X-Instance", instance);
  if (request.url === "/healthz") {
    response.writeHead(stopping ? 503 : 200, { "Content-Type": "text/plain" });
    response.end(stopping ? "stopping\n" : "ok\n");
    return;
  }
  if (request.url !== "/") {
    response.writeHead(404, { "Content-Type": "text/plain" });
    response.end("not found\n");
    return;
  }
  response.writeHead(200, { "Content-Type": "text/plain" });
  response.end(`Hello from instance ${instance}\n`);
});

// Longer than the balancer keeps an idle connection, or it may send a request into one that we just closed.
server.keepAliveTimeout = 35_000;
server.listen(port, () => console.log(`instance ${instance} listens on port ${port}`));

process.on("SIGTERM", () => {
  stopping = true;
  console.log("stopping: finishing what is under way");
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
