import { type JsValue, Unknown } from "./values";

/** Names of a block or function. */
export class Scope {
  private readonly names = new Map<string, JsValue>();

  constructor(private readonly parent?: Scope) {}

  declare(name: string, value: JsValue): void {
    this.names.set(name, value);
  }

  /** The scope that has the name. */
  private owner(name: string): Scope | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) if (scope.names.has(name)) return scope;
    return undefined;
  }

  has(name: string): boolean {
    return this.owner(name) !== undefined;
  }

  get(name: string): JsValue {
    const owner = this.owner(name);
    return owner ? owner.names.get(name) : new Unknown(`${name} is not defined in this file`);
  }

  assign(name: string, value: JsValue): void {
    (this.owner(name) ?? this).names.set(name, value);
  }
}
