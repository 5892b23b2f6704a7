/** The Python environments whose installed packages imports are followed into. No interpreter is ever run. */

/** Where an environment may be. */
export interface EnvironmentCandidate {
  /** Absolute path of an interpreter, or of an environment's folder. */
  readonly path: string;
  /** Who names it, in words: "the Python extension", "the setting python.defaultInterpreterPath". */
  readonly from: string;
  /** Somebody named it, so it is said when nothing is there. Others are only tried. */
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
  /** Who named it, in the words of its candidate. */
  readonly from: string;
  /** "3.12", where it can be told. */
  readonly version?: string;
  /** Folders of packages, in the order they are searched. */
  readonly packages: readonly string[];
}

/** What was found for the files below a folder. */
export interface EnvironmentState {
  /** As in FolderEnvironments. */
  readonly folder: string;
  readonly environment: FoundEnvironment | null;
  /** What was passed over, and why. */
  readonly notes: readonly string[];
}
