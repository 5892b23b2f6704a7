import type { PyClass, Value } from "./values";

/** What a class or the first of its bases that has it, in method resolution order, holds under a name. */
export function findMember(type: PyClass, name: string): Value | undefined {
  for (const base of type.mro) {
    const member = base.members.get(name);
    if (member !== undefined) return member;
  }
  return undefined;
}
