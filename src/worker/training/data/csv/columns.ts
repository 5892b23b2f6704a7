import { open } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { UserError } from "../../../formats/errors";

/** A header line longer than this is no table's. */
const HEADER_BYTES = 256 * 1024;

/** The columns of a CSV file, from its header line. Throws a UserError when there is none to read. */
export async function readColumns(file: string): Promise<readonly string[]> {
  let header: string[] | undefined;
  try {
    const text = await firstLine(file);
    [header] = parse(text, { to_line: 1, bom: true, trim: true, relax_column_count: true }) as string[][];
  } catch (error) {
    throw new UserError(
      `cannot read the header of ${file}: ${error instanceof Error ? error.message : String(error)}; correct the file or save it as CSV again`,
      { file },
    );
  }
  if (header && header.length > 1) return header;
  throw new UserError(`${file} has no header line with at least two columns: inputs and the label`, { file });
}

async function firstLine(file: string): Promise<string> {
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
