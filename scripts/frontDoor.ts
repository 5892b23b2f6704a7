/**
 * The short address of `npm start`: the root leads to a VS Code window on this project, everything else is passed on to
 * the VS Code server. One port serves both, so that forwarding it is enough.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

const HOST = "127.0.0.1";

export interface FrontDoor {
  readonly port: number;
  close(): void;
}

/** `path` gives the window's address on a host, as the browser names it. */
export async function openFrontDoor(
  behind: number,
  path: (host: string) => string,
  port: number | undefined,
): Promise<FrontDoor> {
  const sockets = new Set<Duplex>();
  const server = createServer((incoming, outgoing) => {
    const { host } = incoming.headers;
    if (incoming.url === "/" && host !== undefined) welcome(outgoing, path(host));
    else passOn(incoming, outgoing, behind);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (incoming: IncomingMessage, socket: Socket, head: Buffer) =>
    connectThrough(incoming, socket, head, behind),
  );
  const taken = await listen(server, port ?? 0);
  return {
    port: taken,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/**
 * Leads to the window. A browser that is new to VS Code does not know yet that notebooks have an editor, so that one
 * opened in the first seconds would open as text; VS Code waits for its extensions with files whose editors it remembers
 * from the last time, and this is where it remembers them.
 */
function welcome(outgoing: ServerResponse, to: string): void {
  outgoing.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  outgoing.end(`<!doctype html><meta charset="utf-8"><title>LoRA Lens</title><script>
const go = () => location.replace(${JSON.stringify(to).replaceAll("<", "\\u003c")});
const opening = indexedDB.open("vscode-web-state-db-global");
opening.onupgradeneeded = () => opening.result.createObjectStore("ItemTable");
opening.onerror = go;
opening.onsuccess = () => {
  const database = opening.result;
  const end = () => { database.close(); go(); };
  if (!database.objectStoreNames.contains("ItemTable")) return end();
  const writing = database.transaction("ItemTable", "readwrite");
  writing.objectStore("ItemTable").put(JSON.stringify(["*.ipynb"]), "editorOverrideService.cache");
  writing.oncomplete = writing.onerror = end;
};
</script>
`);
}

function passOn(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
  const { method, url, headers } = incoming;
  const through = request({ host: HOST, port, method, path: url, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  through.once("error", (error) => {
    if (!outgoing.headersSent) outgoing.writeHead(502, { "content-type": "text/plain" });
    outgoing.end(`the VS Code server does not answer: ${error.message}\n`);
  });
  outgoing.once("close", () => through.destroy());
  incoming.pipe(through);
}

/** A WebSocket: the request goes on as it came, and then bytes go both ways. */
function connectThrough(incoming: IncomingMessage, socket: Socket, head: Buffer, port: number): void {
  const through = connect(port, HOST, () => {
    const { rawHeaders } = incoming;
    const lines = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []));
    through.write(`${[`${incoming.method} ${incoming.url} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`);
    through.write(head);
    through.pipe(socket).pipe(through);
  });
  // The end of either is the end of both; the window connects again by itself.
  for (const [one, other] of [
    [socket, through],
    [through, socket],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}
