import { lstat, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Evaluation, WeightsSummary } from "../../../protocol/reports";
import type { SweepReport, SweepRun } from "../../../protocol/reports/sweep";
import { UserError } from "../../formats/errors";
import { isObject, readJsonObject } from "../../formats/files";
import { folderOf } from "./runs";

/** Name of a sweep's report in its output folder. */
export const SWEEP_FILE = "sweep.json";

/** A run takes some hundred bytes, and a list of missing weights may be long. */
const MAX_SWEEP_BYTES = 4_000_000;

/** Entries of the model's folder that are looked at: more are a data set, and listing them would take long. */
const MAX_ENTRIES = 2000;

/** A sweep that was read from its file. */
export interface SavedSweep {
  /** Absolute path of its sweep.json. */
  readonly file: string;
  readonly report: SweepReport;
}

export interface FoundSweeps {
  readonly newest?: SavedSweep;
  /** One sentence for each sweep.json that could not be read. */
  readonly problems: readonly string[];
}

/**
 * The newest sweep of a model whose output folder lies beside the model file, or is the model file's own folder. A sweep
 * without finished runs is never written. Links are not followed.
 * @param model absolute path of the model file, and the model's class.
 */
export async function newestSweep(model: { readonly file: string; readonly class: string }): Promise<FoundSweeps> {
  const folder = dirname(resolve(model.file));
  const entries = (await readdir(folder, { withFileTypes: true })).slice(0, MAX_ENTRIES);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  let newest: SavedSweep | undefined;
  const problems: string[] = [];
  for (const file of [folder, ...folders].map((path) => join(path, SWEEP_FILE))) {
    if (!(await isFile(file))) continue;
    try {
      const report = await readSweep(file);
      // By name: a project that was moved or cloned has another folder.
      const same = nameOf(report.file) === nameOf(model.file) && report.model === model.class;
      if (same && (!newest || report.finishedAt > newest.report.finishedAt)) newest = { file, report };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
    }
  }
  return { ...(newest && { newest }), problems };
}

/** The last part of a path of any system. */
function nameOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return false;
    throw error;
  }
}

/** Reads a sweep.json. Throws a UserError that names the field at fault. Fields that are not known are left out. */
export async function readSweep(file: string): Promise<SweepReport> {
  const value = await readJsonObject(file, MAX_SWEEP_BYTES, "the report of a sweep is a few pages of text");
  const found = REPORT(value, "", file);
  const ranks = found.runs.map(({ rank }) => rank);
  if (ranks.length === 0) throw wrong(file, "runs", "a list with one run or more");
  if (ranks.some((rank, i) => i > 0 && rank <= ranks[i - 1]!)) throw wrong(file, "runs", "a list by rising rank");
  for (const [i, { rank, folder }] of found.runs.entries()) {
    if (folder !== folderOf(rank)) throw wrong(file, `runs[${i}].folder`, `"${folderOf(rank)}"`);
  }
  for (const field of ["best", "smallestGood"] as const) {
    const rank = found[field];
    if (rank !== null && !ranks.includes(rank)) throw wrong(file, field, "the rank of a run, or null");
  }
  return found;
}

/** Gives the value back as a T. `at` names it in the error. */
type Check<T> = (value: unknown, at: string, file: string) => T;

function wrong(file: string, at: string, needed: string): UserError {
  return new UserError(`${file}: ${at} must be ${needed}; run the sweep again`, { file });
}

function that<T>(needed: string, is: (value: unknown) => value is T): Check<T> {
  return (value, at, file) => {
    if (!is(value)) throw wrong(file, at, needed);
    return value;
  };
}

function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value, at, file) => {
    if (!Array.isArray(value)) throw wrong(file, at, "a list");
    return value.map((item, i) => check(item, `${at}[${i}]`, file));
  };
}

function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, at, file) => (value === null ? null : check(value, at, file));
}

function object<T>(checks: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> {
  return (value, at, file) => {
    if (!isObject(value)) throw wrong(file, at, "an object");
    const fields = Object.entries<Check<unknown>>(checks).map(([name, check]) => [
      name,
      check(Object.hasOwn(value, name) ? value[name] : undefined, at === "" ? name : `${at}.${name}`, file),
    ]);
    // Each field of T has been checked as what T says it is.
    return Object.fromEntries(fields) as T;
  };
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const text = that("a text", (value): value is string => typeof value === "string");
const number = that("a number", isNumber);
const positive = that("a number of 0 or more", (value): value is number => isNumber(value) && value >= 0);
const count = that("a whole number of 0 or more", (v): v is number => Number.isSafeInteger(v) && (v as number) >= 0);
const rank = that("a whole number of 1 or more", (v): v is number => Number.isSafeInteger(v) && (v as number) >= 1);
const yesOrNo = that("true or false", (value): value is boolean => typeof value === "boolean");
const fraction = that("a number from 0 to 1", (value): value is number => isNumber(value) && value >= 0 && value <= 1);
const kind = that('"sweep"', (value): value is "sweep" => value === "sweep");
const time = that(
  "a time such as 2026-01-31T12:00:00.000Z",
  (value): value is string => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value),
);

/** What is not finite is null in JSON. */
const computed: Check<number> = (value, at, file) => (value === null ? Number.NaN : number(value, at, file));

const RESULT = object<Evaluation>({ loss: computed, accuracy: orNull(fraction) });

const RUN = object<SweepRun>({
  rank,
  alpha: number,
  scaling: number,
  trainable: count,
  percent: positive,
  adapterBytes: count,
  before: RESULT,
  after: RESULT,
  seconds: positive,
  samplesPerSecond: positive,
  folder: text,
});

const WEIGHTS = object<WeightsSummary>({
  from: text,
  initialized: list(text),
  fresh: list(text),
  unused: list(text),
  notes: list(text),
});

const REPORT = object<SweepReport>({
  kind,
  model: text,
  file: text,
  data: text,
  label: text,
  weights: WEIGHTS,
  targets: list(text),
  engine: text,
  device: text,
  loss: text,
  lossLabel: text,
  optimizer: text,
  schedule: text,
  samples: object<SweepReport["samples"]>({ train: count, validation: count }),
  batchSize: count,
  learningRate: positive,
  epochs: count,
  seed: number,
  alphaPerRank: orNull(number),
  alphaNote: text,
  runs: list(RUN),
  notRun: list(rank),
  stopped: yesOrNo,
  best: orNull(rank),
  smallestGood: orNull(rank),
  insights: list(text),
  warnings: list(text),
  seconds: positive,
  finishedAt: time,
  output: object<SweepReport["output"]>({ folder: text, files: list(text) }),
});
