import type { EnvironmentState, FolderEnvironments } from "./environments";
import type { JobRequest, Report } from "./jobRegistry";
import type { ConfigurationChoice, JobError, JobProgress, ModelChoice } from "./jobs";
import type { GivenConfig, SavedConfig } from "./lora";
import type { FileSummary, Place } from "./model";
import type { EngineSummary, InjectionSummary, TargetSummary } from "./reports";
import type { SizesReport } from "./reports/sizes";

/**
 * The requests and notifications between the extension and the worker beyond the Language Server Protocol's own.
 * Each request settles with a result, or with a ResponseError whose message is meant for people.
 */

/** A request's method name with its parameter and result types. */
export interface RequestName<P, R> {
  readonly method: string;
  readonly _types?: (params: P) => R;
}

/** A notification's method name with its parameter type. */
export interface NotificationName<P> {
  readonly method: string;
  readonly _types?: (params: P) => void;
}

export interface DocumentParams {
  readonly uri: string;
}

/** Models, layers and problems of a document, as open in the editor. */
export const SummaryRequest: RequestName<DocumentParams, FileSummary> = { method: "loraLens/summary" };

export interface TargetsParams extends DocumentParams {
  readonly class: string;
  /** The model and the adapter to price. */
  readonly adapter: GivenConfig;
}
export interface TargetChoice extends TargetSummary {
  /** It is one of the default targets: every Linear except the output head. */
  readonly selected: boolean;
}
export interface TargetsResult {
  readonly class: string;
  /** The scaling of the adapters' contribution. */
  readonly scaling: number;
  readonly layers: readonly TargetChoice[];
}
/** The Linear layers of a model with each one's cost, for the checkable list. */
export const TargetsRequest: RequestName<TargetsParams, TargetsResult> = { method: "loraLens/targets" };

export interface ConfigurationsParams extends DocumentParams {
  readonly class: string;
}
/** A configuration that a model class can take. */
export interface ConfigurationChoiceSummary {
  readonly choice: ConfigurationChoice;
  /** In words: "config.json", "the GPTConfig at line 22", "GPTConfig's defaults". */
  readonly label: string;
  /** For an instance: where the file makes it. */
  readonly place?: Place;
  /** Why it cannot be used. */
  readonly problem?: string;
}
export interface ConfigurationsResult {
  /** The choices, in search order; empty for a class that takes no configuration. */
  readonly options: readonly ConfigurationChoiceSummary[];
  readonly takesConfiguration: boolean;
  /** The label of the one in use. */
  readonly used: string | null;
}
/** The configurations that a model class can take. */
export const ConfigurationsRequest: RequestName<ConfigurationsParams, ConfigurationsResult> = {
  method: "loraLens/configurations",
};

export interface InjectParams {
  readonly model: ModelChoice;
  readonly adapter: GivenConfig;
  /** Exact paths to target; the worker writes them as target modules that match these and no other module. */
  readonly layers?: readonly string[];
  /** With `layers`: what is excluded of them, as PEFT's exclude_modules; nothing when left out. */
  readonly exclude?: readonly string[] | string;
  /** Absolute path of an adapter_config.json to write the choice to; not written when left out. */
  readonly saveTo?: string;
}
export const InjectRequest: RequestName<InjectParams, InjectionSummary> = { method: "loraLens/inject" };

/** A kind of file that a model can be trained on. */
export interface DataFormat {
  /** Name on screen: "CSV". */
  readonly label: string;
  /** In words: "a CSV file with a header line". */
  readonly what: string;
  /** Endings of its files' names, without the dot. */
  readonly extensions: readonly string[];
}
/** The kinds of data that training knows; the first is the default. */
export const DataFormatsRequest: RequestName<Record<string, never>, { readonly formats: readonly DataFormat[] }> = {
  method: "loraLens/dataFormats",
};

/** The columns or fields of a data file that can be the label, in the file's order. */
export const DataColumnsRequest: RequestName<{ readonly file: string }, { readonly columns: readonly string[] }> = {
  method: "loraLens/dataColumns",
};

export interface AdapterParams {
  /** Absolute path of the folder an adapter or a choice about one is kept in. */
  readonly folder: string;
}
export interface AdapterResult {
  /** What its adapter_config.json says. */
  readonly adapter: SavedConfig;
  /** Model class it was made for, when the file says so. */
  readonly class: string | null;
  /** The folder has trained weights, too. */
  readonly trained: boolean;
}
/** The choice kept in a folder; `adapter` is null when there is none. */
export const AdapterRequest: RequestName<AdapterParams, { readonly adapter: AdapterResult | null }> = {
  method: "loraLens/adapter",
};

/** Which files may hold a model's weights, by their names. */
export interface WeightFiles {
  /** Endings of the names of those that are listed, the usual first. */
  readonly endings: readonly string[];
  /** Extensions for a file dialog. */
  readonly extensions: readonly string[];
  /** Regular expressions: files that have such an ending and are not weights to choose. */
  readonly hidden: readonly string[];
}
/** Asked for a model file by its path: its source format decides which weight formats it has. */
export const WeightFilesRequest: RequestName<{ readonly file: string }, WeightFiles> = {
  method: "loraLens/weightFiles",
};

export interface RunJobParams {
  /** Names the job in progress notifications and stop requests. */
  readonly id: string;
  readonly job: JobRequest;
}
/** Runs a job in a process of its own. Cancelling the request ends the job without a result. */
export const RunJobRequest: RequestName<RunJobParams, Report> = { method: "loraLens/runJob" };

/** Asks a job to finish early with what it has; its RunJobRequest then settles with a report. */
export const StopJobRequest: RequestName<{ readonly id: string }, { readonly found: boolean }> = {
  method: "loraLens/stopJob",
};

export interface JobProgressParams {
  readonly id: string;
  readonly progress: JobProgress;
}
export const JobProgressNotification: NotificationName<JobProgressParams> = { method: "loraLens/jobProgress" };

/** Asks each engine whether it can run here. Starts a process to do so: never sent on opening a file. */
export const EnginesRequest: RequestName<Record<string, never>, { readonly engines: readonly EngineSummary[] }> = {
  method: "loraLens/engines",
};

/** A report as one HTML page that needs no other file, no network and no editor. */
export const HtmlRequest: RequestName<{ readonly report: Report }, { readonly html: string }> = {
  method: "loraLens/html",
};

/** The table of a report on layer sizes as CSV. */
export const SizesCsvRequest: RequestName<{ readonly report: SizesReport }, { readonly csv: string }> = {
  method: "loraLens/sizesCsv",
};

/** Settings the worker needs; sent on start and on change, as LSP `initializationOptions` and by this notification. */
export interface WorkerSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly codeLens: boolean;
  readonly diagnostics: boolean;
  readonly inlayHints: boolean;
  /** Where Python environments may be, by folder. */
  readonly environments: readonly FolderEnvironments[];
  /** What was chosen to give a file's models their configuration, by the file's path. */
  readonly configurations: Readonly<Record<string, ConfigurationChoice>>;
  /** Shapes of example inputs, by model class and by name, as in InputChoice. */
  readonly inputShapes: InputShapes;
  /** What was chosen for models in dialogs, by the file's path and the class: `/net.py#Net`. */
  readonly adapters: Readonly<Record<string, AdapterPlace>>;
}
/** Where a model's adapter and its base weights are, as far as somebody chose. Absolute paths. */
export interface AdapterPlace {
  readonly folder?: string;
  readonly weights?: string;
}
export type InputShapes = Readonly<Record<string, Readonly<Record<string, string>>>>;
export const SettingsNotification: NotificationName<WorkerSettings> = { method: "loraLens/settings" };

/** The Python environment found for a folder; sent when it was looked for. */
export const EnvironmentNotification: NotificationName<EnvironmentState> = { method: "loraLens/environment" };

/** What the worker is doing with open files. Sent on change. */
export interface ReadingState {
  /** `slow`: a reading has taken longer than a second. `failed`: the last one crashed or ran out of time. */
  readonly state: "idle" | "reading" | "slow" | "failed";
  /** With `slow` and `failed`: in words. */
  readonly message?: string;
}
export const ReadingStateNotification: NotificationName<ReadingState> = { method: "loraLens/readingState" };

/** The `data` of a ResponseError whose request failed. */
export type ErrorData = JobError;
