import { PyNamespace, type PyNative, type Value } from "../../values/values";

export function namespace(name: string, members: Iterable<readonly [string, Value]>): PyNamespace {
  return new PyNamespace(name, new Map(members));
}
export const named = (natives: readonly PyNative[]): [string, Value][] => natives.map((n) => [n.name, n]);
