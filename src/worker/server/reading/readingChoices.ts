import { dirname, join, sep } from "node:path";
import type { EnvironmentState, FolderEnvironments } from "../../../protocol/environments";
import type { ModelChoice } from "../../../protocol/jobs";
import type { InputShapes, WorkerSettings } from "../../../protocol/messages";
import type { EnvironmentSearch } from "../../readers/python/imports/find";

/** How a file is read, apart from its text. */
export interface ReadChoice extends Pick<ModelChoice, "packages" | "configuration"> {
  /** By model class. */
  readonly inputShapes?: InputShapes;
}

type Chosen = Pick<WorkerSettings, "environments" | "configurations" | "inputShapes">;

/** Where shapes from the settings come from, for messages. */
export const FROM_SETTINGS = "the setting loraLens.inputShapes";

export interface ReadingChoicesOptions {
  readonly find: (candidates: FolderEnvironments["candidates"]) => Promise<EnvironmentSearch>;
  /** Called with the result of each search. */
  readonly onFound: (state: EnvironmentState) => void;
}

/** The user's and the editor's choices of how files are read: Python environments by folder, configurations by file. */
export class ReadingChoices {
  private chosen: Chosen = { environments: [], configurations: {}, inputShapes: {} };
  private readonly found = new Map<string, Promise<EnvironmentState>>();

  constructor(private readonly options: ReadingChoicesOptions) {}

  /** Takes new choices and returns a test for files that have to be read again. */
  change(chosen: Chosen): (file: string) => boolean {
    const before = this.chosen;
    this.chosen = chosen;
    const changed = new Set<string>();
    for (const folder of [...before.environments, ...chosen.environments].map((each) => each.folder)) {
      const of = (choice: Chosen) => JSON.stringify(choice.environments.find((each) => each.folder === folder));
      if (of(before) === of(chosen)) continue;
      changed.add(folder);
      this.found.delete(folder);
    }
    const configuration = (choice: Chosen, file: string) => JSON.stringify(choice.configurations[file]);
    const newShapes = JSON.stringify(before.inputShapes) !== JSON.stringify(chosen.inputShapes);
    return (file) =>
      newShapes ||
      changed.has(this.folderOf(file)?.folder ?? "") ||
      configuration(before, file) !== configuration(chosen, file);
  }

  async of(file: string): Promise<ReadChoice> {
    const configuration = this.chosen.configurations[file];
    const packages = (await this.environment(file))?.environment?.packages;
    const { inputShapes } = this.chosen;
    return {
      ...(packages && { packages }),
      ...(configuration && { configuration }),
      ...(Object.keys(inputShapes).length > 0 && { inputShapes }),
    };
  }

  /** How a job reads the file: with the inputs of the job's model. */
  async ofModel({ file, class: className }: Pick<ModelChoice, "file" | "class">): Promise<Partial<ModelChoice>> {
    const { inputShapes, ...choice } = await this.of(file);
    const shapes = className !== undefined && inputShapes && Object.hasOwn(inputShapes, className);
    return { ...choice, ...(shapes && { inputs: { shapes: inputShapes[className]!, from: FROM_SETTINGS } }) };
  }

  /** Where a file's configuration is read from, if from a file: it may not be there yet. */
  configurationFile(file: string): string | undefined {
    const choice = this.chosen.configurations[file];
    if (choice === undefined) return join(dirname(file), "config.json");
    return choice.source === "json" ? choice.file : undefined;
  }

  /** Folders, with the places in them where an environment may be made later. */
  folders(): string[] {
    return this.chosen.environments.flatMap(({ folder }) => (folder === "" ? [] : [folder]));
  }

  /** Looks for the folder's environment again and returns a test for files of the folder. */
  lookAgain(folder: string): (file: string) => boolean {
    this.found.delete(folder);
    return (file) => this.folderOf(file)?.folder === folder;
  }

  private environment(file: string): Promise<EnvironmentState> | undefined {
    const of = this.folderOf(file);
    if (!of || of.candidates.length === 0) return undefined;
    let found = this.found.get(of.folder);
    if (!found) {
      found = this.find(of);
      this.found.set(of.folder, found);
    }
    return found;
  }

  /** A search that fails finds nothing, and the files are read all the same. */
  private async find({ folder, candidates }: FolderEnvironments): Promise<EnvironmentState> {
    let state: EnvironmentState;
    try {
      state = { folder, ...(await this.options.find(candidates)) };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      state = { folder, environment: null, notes: [`did not look for a Python environment: ${why}`] };
    }
    this.options.onFound(state);
    return state;
  }

  /** The innermost folder that the file is in. */
  private folderOf(file: string): FolderEnvironments | undefined {
    const around = this.chosen.environments.filter(
      ({ folder }) => folder === "" || file.startsWith(folder.endsWith(sep) ? folder : folder + sep),
    );
    return around.sort((a, b) => b.folder.length - a.folder.length)[0];
  }
}
