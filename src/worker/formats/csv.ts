import { CsvError, parse } from "csv-parse";
import { nearest } from "../text/nearest";
import { UserError } from "./errors";
import { withFile, yieldToEvents } from "./files";
import type { Labels } from "./labels";

/** A table of numbers with one column to predict, read from a CSV file with a header row. */
export interface Table {
  /** Names of the feature columns, in the file's order. */
  readonly columns: readonly string[];
  readonly rows: number;
  /** Row-major, [rows, columns]. */
  readonly features: Float32Array;
  readonly labels: Labels;
}

export interface ReadTableOptions {
  /** Called now and then with the share of the file that has been read, 0 to 1. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
}

/** Tables are held in memory: 2 GiB of float32 features. Larger data does not fit a training job on one machine. */
const MAX_VALUES = 2 ** 29;

/** More rows than this are not a table to hold in memory, whatever their width. */
const MAX_ROWS = 20_000_000;

/** A field this long is an unclosed quote, not a number. */
const MAX_RECORD_CHARACTERS = 16 * 1024 * 1024;

/** csv-parse works through what it is given in one go, at some 5 MB a second: this is about 2 ms. */
const CHUNK_BYTES = 8 * 1024;

/** Parsing may hold the event loop this long before waiting events get their turn. */
const SLICE_MS = 3;

/**
 * Reads `file`, whose column `label` is what to predict and all others are numeric features. Labels are names when any
 * is no number; what numbers mean is for the model to say. Throws a UserError that names row and column for what it
 * cannot use; rows are counted as lines of the file, the header being line 1.
 */
export function readTable(file: string, label: string, options: ReadTableOptions = {}): Promise<Table> {
  return withFile(file, async (handle, size) => {
    if (size === 0) throw new UserError(`${file} is empty; it needs a header row and rows of numbers`, { file });
    const reader = new TableReader(file, label);
    const source = handle.createReadStream({ autoClose: false, highWaterMark: CHUNK_BYTES, signal: options.signal });
    const parser = source.pipe(
      parse({
        bom: true,
        info: true,
        skip_empty_lines: true,
        relax_column_count: true,
        trim: true,
        max_record_size: MAX_RECORD_CHARACTERS,
      }),
    );
    // pipe() passes no errors on.
    source.on("error", (error) => parser.destroy(error));
    try {
      let sliceEnd = performance.now() + SLICE_MS;
      for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
        reader.read(record, info.lines);
        if (performance.now() > sliceEnd) {
          options.onProgress?.(source.bytesRead / size);
          await yieldToEvents();
          sliceEnd = performance.now() + SLICE_MS;
        }
      }
    } catch (error) {
      throw error instanceof CsvError ? malformed(file, error) : error;
    } finally {
      source.destroy();
    }
    return reader.finish();
  });
}

function malformed(file: string, error: CsvError): UserError {
  const line = typeof error.lines === "number" ? error.lines : undefined;
  const where = line === undefined ? file : `${file}, line ${line}`;
  return new UserError(`${where}: ${error.message}; correct the file or save it as CSV again`, {
    file,
    ...(line === undefined ? {} : { line }),
  });
}

/** Collects records into a table. */
class TableReader {
  private header: string[] | undefined;
  private labelAt = -1;
  private features = new Float32Array(0);
  private filled = 0;
  private readonly labels = new LabelReader();

  constructor(
    private readonly file: string,
    private readonly label: string,
  ) {}

  read(record: readonly string[], line: number): void {
    if (!this.header) {
      this.readHeader(record);
      return;
    }
    const place = { file: this.file, line };
    if (record.length !== this.header.length) {
      throw new UserError(
        `${this.file}, line ${line}: ${count(record.length, "value")} where the header has ${count(this.header.length, "column")}`,
        place,
      );
    }
    if (this.labels.rows >= MAX_ROWS) {
      throw new UserError(`${this.file} has more than ${MAX_ROWS} rows; use a sample of them`, place);
    }
    this.reserve(record.length - 1, place);
    for (let column = 0; column < record.length; column++) {
      if (column === this.labelAt) continue;
      this.features[this.filled++] = this.number(record[column]!, column, line);
    }
    this.readLabel(record[this.labelAt]!, place);
  }

  private readHeader(record: readonly string[]): void {
    const header = [...record];
    const repeated = header.find((name, i) => header.indexOf(name) !== i);
    if (repeated !== undefined) {
      throw new UserError(`${this.file}: the header names the column "${repeated}" twice`, {
        file: this.file,
        line: 1,
      });
    }
    this.labelAt = header.indexOf(this.label);
    if (this.labelAt < 0) throw new UserError(this.noSuchColumn(header), { file: this.file, line: 1 });
    if (header.length < 2) {
      throw new UserError(`${this.file} has no column besides the label "${this.label}"; it needs features as well`, {
        file: this.file,
        line: 1,
      });
    }
    this.header = header;
  }

  private noSuchColumn(header: readonly string[]): string {
    const shown = header.slice(0, 20).join(", ") + (header.length > 20 ? `, … (${header.length} in all)` : "");
    const missing = `${this.file} has no column "${this.label}"; its columns are ${shown}`;
    if (header.every((name) => name !== "" && Number.isFinite(Number(name)))) {
      return `${missing}. They look like data: the first line must name the columns`;
    }
    const close = nearest(this.label, header);
    return close === undefined ? missing : `${missing}. Did you mean "${close}"?`;
  }

  private reserve(more: number, place: { file: string; line: number }): void {
    if (this.filled + more <= this.features.length) return;
    if (this.filled + more > MAX_VALUES) {
      throw new UserError(`${this.file} has more than ${MAX_VALUES} values; use a sample of its rows`, place);
    }
    const grown = new Float32Array(Math.min(MAX_VALUES, Math.max(1024, 2 * (this.filled + more))));
    grown.set(this.features.subarray(0, this.filled));
    this.features = grown;
  }

  private number(text: string, column: number, line: number): number {
    const value = Number(text);
    if (text !== "" && Number.isFinite(value)) return value;
    const what = text === "" ? "is empty" : `is "${text.slice(0, 40)}"`;
    throw new UserError(
      `${this.file}, line ${line}, column "${this.header![column]}" ${what}, not a number; features must be numbers`,
      { file: this.file, line },
    );
  }

  private readLabel(text: string, place: { file: string; line: number }): void {
    if (text === "") {
      throw new UserError(`${this.file}, line ${place.line}: the label "${this.label}" is empty`, place);
    }
    this.labels.read(text);
  }

  finish(): Table {
    if (!this.header)
      throw new UserError(`${this.file} has no rows; it needs a header row and rows of numbers`, { file: this.file });
    if (this.labels.rows === 0) {
      throw new UserError(`${this.file} has a header but no rows`, { file: this.file });
    }
    return {
      columns: this.header.filter((_, i) => i !== this.labelAt),
      rows: this.labels.rows,
      features: this.features.slice(0, this.filled),
      labels: this.labels.finish(),
    };
  }
}

/** Collects labels. Each text is looked at once, when it is new, so that finishing is quick for any number of rows. */
class LabelReader {
  rows = 0;
  /** A row's position in `texts`. */
  private ids = new Int32Array(1024);
  private readonly idOf = new Map<string, number>();
  private readonly texts: string[] = [];
  private readonly numbers: number[] = [];
  private name: string | undefined;

  read(text: string): void {
    let id = this.idOf.get(text);
    if (id === undefined) {
      id = this.texts.length;
      this.idOf.set(text, id);
      this.texts.push(text);
      // A sum with 0, since -0 is no label of its own.
      const n = Number(text) + 0;
      this.numbers.push(n);
      if (!Number.isFinite(n)) this.name ??= text;
    }
    if (this.rows === this.ids.length) {
      const grown = new Int32Array(2 * this.rows);
      grown.set(this.ids);
      this.ids = grown;
    }
    this.ids[this.rows++] = id;
  }

  finish(): Labels {
    if (this.name === undefined) {
      const distinct = [...new Set(this.numbers)].sort((a, b) => a - b);
      return { kind: "numbers", values: this.fill(new Float64Array(this.rows), this.numbers), distinct };
    }
    const names = [...this.texts].sort();
    const indexOf = new Map(names.map((name, i) => [name, i]));
    const indices = this.texts.map((text) => indexOf.get(text)!);
    return { kind: "names", values: this.fill(new Int32Array(this.rows), indices), names, name: this.name };
  }

  private fill<T extends Int32Array | Float64Array>(values: T, byId: readonly number[]): T {
    for (let row = 0; row < this.rows; row++) values[row] = byId[this.ids[row]!]!;
    return values;
  }
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
