import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type QuickPickItem, window, workspace } from "vscode";
import { type Frame, type Outcome, pickOne } from "./steps";

/**
 * Bounds of a search, so that opening a dialog over a home directory does not take minutes. What lies deeper is found
 * by "Browse…".
 */
const MOST_FOLDERS = 2000;
const MOST_FILES = 200;
/** Folders of tools, which hold no data of the project. Those whose names begin with a dot are left out as well. */
const TOOL_FOLDERS = new Set(["node_modules", "__pycache__", "venv", "site-packages"]);

/**
 * Files whose names end so, in the model's folder and in the workspace, the model's folder first and shallow ones
 * before deep ones. Absolute paths. (VS Code's own search would leave out what .gitignore names: often the weights.)
 */
export async function findFiles(suffix: string, model: string): Promise<string[]> {
  const folders = [dirname(model), ...(workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath)];
  const found = new Set<string>();
  const seen = new Set<string>(folders);
  for (let i = 0; i < folders.length && i < MOST_FOLDERS && found.size < MOST_FILES; i++) {
    for (const entry of await entriesOf(folders[i]!)) {
      const path = join(folders[i]!, entry.name);
      if (entry.isFile() && entry.name.endsWith(suffix)) found.add(path);
      const isTool = entry.name.startsWith(".") || TOOL_FOLDERS.has(entry.name);
      if (!entry.isDirectory() || isTool || seen.has(path)) continue;
      seen.add(path);
      folders.push(path);
    }
  }
  return [...found];
}

/** A folder that may not be read has nothing to offer. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => a.name.localeCompare(b.name));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "ENOENT") return [];
    throw error;
  }
}

export interface FilePick {
  readonly placeholder: string;
  /** Absolute paths to choose from. */
  readonly files: readonly string[];
  readonly current?: string | undefined;
  /** Offered first, for no file at all. */
  readonly none?: string;
  /** The dialog behind "Browse…". */
  readonly browse: { readonly title: string; readonly folders?: boolean; readonly filters?: Record<string, string[]> };
  readonly accept: (file: string | undefined) => void;
}

type FileItem = QuickPickItem & { readonly file?: string; readonly browse?: true };

/** One step: a file found, none, or one from the file dialog. */
export async function pickFile(frame: Frame, options: FilePick): Promise<Outcome> {
  const files: FileItem[] = options.files.map((file) => ({ label: workspace.asRelativePath(file), file }));
  const items: FileItem[] = [
    ...(options.none ? [{ label: options.none }] : []),
    ...files,
    { label: "Browse…", browse: true, alwaysShow: true },
  ];
  for (;;) {
    let picked: FileItem | undefined;
    const outcome = await pickOne<FileItem>(frame, {
      placeholder: options.placeholder,
      items,
      active: items.find((item) => item.file !== undefined && item.file === options.current),
      accept: (item) => {
        picked = item;
      },
    });
    if (outcome !== "accepted" || !picked?.browse) {
      if (outcome === "accepted") options.accept(picked?.file);
      return outcome;
    }
    const { folders = false, title, filters } = options.browse;
    const chosen = await window.showOpenDialog({
      title,
      canSelectFolders: folders,
      canSelectFiles: !folders,
      ...(filters ? { filters } : {}),
    });
    if (chosen?.[0]) {
      options.accept(chosen[0].fsPath);
      return "accepted";
    }
  }
}
