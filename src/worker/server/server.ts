import type { Connection } from "vscode-languageserver/node";
import { HANDLERS } from "./handlers/registry";
import { bundledProcesses, type Processes } from "./processes";
import { Session } from "./session";

/**
 * Serves the Language Server Protocol and the requests of protocol/messages.ts on the connection. Reading happens in a
 * thread and jobs in processes of their own, so an answer never waits for either's work.
 */
export function startServer(connection: Connection, processes: Processes = bundledProcesses()): void {
  const session = new Session(connection, processes);
  for (const handle of HANDLERS) handle(session);
  session.documents.listen(connection);
  session.notebooks.listen(connection);
  connection.listen();
}
