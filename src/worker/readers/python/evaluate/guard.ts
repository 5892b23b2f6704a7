import type { Node } from "../../../graph/node";
import type { Storage } from "../values/values";

/** Of code that runs only where a condition holds: what storages held before it changed them in place. */
export class Guard {
  readonly before = new Map<Storage, Node | undefined>();

  changing(storage: Storage): void {
    if (!this.before.has(storage)) this.before.set(storage, storage.node);
  }
}
