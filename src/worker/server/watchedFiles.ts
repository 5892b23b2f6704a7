import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type Connection,
  DidChangeWatchedFilesNotification,
  type Disposable,
  type FileSystemWatcher,
} from "vscode-languageserver/node";

/** Asks the editor to watch exactly the files that matter now. */
export class WatchedFiles {
  private current = "";
  private last: Promise<Disposable | undefined> = Promise.resolve(undefined);

  constructor(
    private readonly connection: Connection,
    private readonly log: (line: string) => void,
  ) {}

  /** Replaces the watched files. New ones are registered before old ones are dropped, so that no change is missed. */
  watch(watchers: readonly FileSystemWatcher[]): void {
    const key = JSON.stringify(watchers);
    if (key === this.current) return;
    this.current = key;
    this.last = this.last.then((before) => this.replace(before, watchers));
  }

  private async replace(
    before: Disposable | undefined,
    watchers: readonly FileSystemWatcher[],
  ): Promise<Disposable | undefined> {
    try {
      const registered =
        watchers.length === 0
          ? undefined
          : await this.connection.client.register(DidChangeWatchedFilesNotification.type, { watchers: [...watchers] });
      before?.dispose();
      return registered;
    } catch (error) {
      this.log(`the editor does not watch files: ${error instanceof Error ? error.message : String(error)}`);
      return before;
    }
  }
}

/** One file. Special characters of patterns become wildcards here, because events are compared by path. */
export function fileWatcher(file: string): FileSystemWatcher {
  return folderWatcher(dirname(file), basename(file).replace(/[[\]{}*?!,]/g, "?"));
}

export function folderWatcher(folder: string, pattern: string): FileSystemWatcher {
  return { globPattern: { baseUri: pathToFileURL(folder).href, pattern } };
}
