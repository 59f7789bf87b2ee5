/**
 * A small server of one folder, on the loopback address alone.
 * Invariant: answers GET and HEAD for files below the folder, and nothing else; what is not there is a 404.
 */
import { createReadStream, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join, sep } from "node:path";

export interface ServeOptions {
  readonly folder: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Served {
  /** With a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".safetensors": "application/octet-stream",
};

/** Rejects with the system's error, such as EADDRINUSE. */
export async function serve({ folder, port, headers }: ServeOptions): Promise<Served> {
  const server = createServer((request, response) => {
    const file = request.method === "GET" || request.method === "HEAD" ? fileOf(folder, request.url ?? "/") : undefined;
    if (file === undefined) {
      response.writeHead(404, { ...headers, "Content-Type": "text/plain" }).end("not found\n");
      return;
    }
    response.writeHead(200, { ...headers, "Content-Type": TYPES[extname(file.path)] ?? "application/octet-stream", "Content-Length": file.size });
    if (request.method === "HEAD") response.end();
    else
      createReadStream(file.path)
        .on("error", () => response.destroy())
        .pipe(response);
  });
  await listen(server, port);
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${bound}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function fileOf(folder: string, url: string): { readonly path: string; readonly size: number } | undefined {
  try {
    const { pathname } = new URL(url, "http://127.0.0.1");
    const path = join(folder, decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return undefined;
    const found = statSync(path);
    return found.isFile() ? { path, size: found.size } : undefined;
  } catch {
    return undefined;
  }
}
