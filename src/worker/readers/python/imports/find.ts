import type { EnvironmentCandidate, FoundEnvironment } from "../../../../protocol/environments";
import { isFolder } from "./look";
import { pythonEnvironment } from "./sitePackages";

export interface EnvironmentSearch {
  readonly environment: FoundEnvironment | null;
  /** What was skipped, and why. */
  readonly notes: readonly string[];
}

/** The first of the candidates that has packages. */
export function findEnvironment(candidates: readonly EnvironmentCandidate[]): EnvironmentSearch {
  const notes: string[] = [];
  for (const { path, from, named } of candidates) {
    const found = pythonEnvironment(path);
    if (!found) {
      if (named) notes.push(`${from} names ${path}, which does not exist`);
      continue;
    }
    notes.push(...found.notes);
    if (found.folders.length > 0) {
      const { prefix, version, folders } = found;
      return { environment: { path: prefix, from, ...(version && { version }), packages: folders }, notes };
    }
    if (named || isFolder(path)) notes.push(`${path}, from ${from}, has no folder of installed packages`);
  }
  return { environment: null, notes };
}
