import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { parse } from "csv-parse/sync";
import { type QuickPickItem, RelativePattern, Uri, window, workspace } from "vscode";
import { messageOf, Notice } from "./errors";
import { type Frame, type Outcome, pickOne } from "./steps";

/** A workspace can hold thousands of files of a kind; a list of more than this helps nobody. */
const MOST_FILES = 200;
/** A header line longer than this is no table's. */
const HEADER_BYTES = 256 * 1024;

/** Files of the workspace, or of the model's folder when it lies outside; nearest to the model first. */
export async function findFiles(pattern: string, model: string): Promise<string[]> {
  const near = new RelativePattern(Uri.file(dirname(model)), pattern);
  const found = [
    ...(await workspace.findFiles(near, "**/node_modules/**", MOST_FILES)),
    ...(await workspace.findFiles(pattern, "**/node_modules/**", MOST_FILES)),
  ];
  return [...new Set(found.filter((uri) => uri.scheme === "file").map((uri) => uri.fsPath))];
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

/** The columns of a CSV file, from its header line. Throws a Notice when there is none to read. */
export async function csvColumns(file: string): Promise<string[]> {
  try {
    const text = await readStart(file);
    const [header] = parse(text, { to_line: 1, bom: true, trim: true, relax_column_count: true }) as string[][];
    if (header && header.length > 1) return header;
  } catch (error) {
    throw new Notice(`cannot read the header of ${file}: ${messageOf(error)}`);
  }
  throw new Notice(`${file} has no header line with at least two columns: inputs and the label`);
}

async function readStart(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    const text = buffer.toString("utf8", 0, bytesRead);
    const end = text.indexOf("\n");
    return end < 0 ? text : text.slice(0, end);
  } finally {
    await handle.close();
  }
}
