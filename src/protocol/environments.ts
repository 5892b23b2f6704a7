/** The Python environments whose installed packages imports are followed into. No interpreter is ever run. */

/** Where an environment may be. */
export interface EnvironmentCandidate {
  /** Absolute path of an interpreter, or of an environment's folder. */
  readonly path: string;
  /** Where the path comes from, in words: "the Python extension", "the setting python.defaultInterpreterPath". */
  readonly from: string;
  /** The user named it, so its absence is reported. The others are only tried. */
  readonly named: boolean;
}

/** The environments that the files below a folder may belong to: the first that is there is used. */
export interface FolderEnvironments {
  /** Absolute path of a workspace folder; "" for files outside of all. */
  readonly folder: string;
  readonly candidates: readonly EnvironmentCandidate[];
}

export interface FoundEnvironment {
  /** The environment's folder. */
  readonly path: string;
  /** Where the path came from: the candidate's `from`. */
  readonly from: string;
  /** "3.12", where it is known. */
  readonly version?: string;
  /** Folders of packages, in the order they are searched. */
  readonly packages: readonly string[];
}

/** What was found for the files below a folder. */
export interface EnvironmentState {
  /** As in FolderEnvironments. */
  readonly folder: string;
  readonly environment: FoundEnvironment | null;
  /** What was skipped, and why. */
  readonly notes: readonly string[];
}
