import { type CancellationToken, type Disposable, EventEmitter, type OutputChannel } from "vscode";
import type { ErrorHandler, LanguageClient, LanguageClientOptions, ServerOptions } from "vscode-languageclient/node";
import { TFJS_LANGUAGES } from "../protocol/commands";
import type { EnvironmentState } from "../protocol/environments";
import {
  EnvironmentNotification,
  JobProgressNotification,
  type JobProgressParams,
  type NotificationName,
  type ReadingState,
  ReadingStateNotification,
  type RequestName,
  SettingsNotification,
} from "../protocol/messages";
import { showError } from "./errors";
import { SECTION } from "./settings";
import type { WorkerSettingsSource } from "./workerSettings";

/** Loaded with the first worker: it takes longer than all else that the extension does to start. */
type Library = typeof import("vscode-languageclient/node");

export type WorkerState =
  | { readonly state: "stopped" | "starting" }
  | { readonly state: "running"; readonly reading: ReadingState }
  | { readonly state: "crashed"; readonly message: string };

/** A worker that dies this often within the window is not started again by itself. */
const MOST_CRASHES = 4;
const CRASH_WINDOW_MS = 3 * 60_000;

/**
 * The worker process and the language client that talks to it. It starts on the first request or on `start`, restarts
 * after a crash, and gives up with a message when it keeps crashing.
 */
export class WorkerClient implements Disposable {
  private client: LanguageClient | undefined;
  private starting: Promise<LanguageClient> | undefined;
  private library: Promise<Library> | undefined;
  private crashes: number[] = [];
  /** It kept crashing, so only the user's command may start it again. */
  private gaveUp = false;
  private readonly stateEmitter = new EventEmitter<WorkerState>();
  private readonly progressEmitter = new EventEmitter<JobProgressParams>();
  private readonly environmentEmitter = new EventEmitter<EnvironmentState>();
  private readonly settingsListener: Disposable;
  /** Settings changed while the worker was starting. */
  private settingsChanged = false;

  readonly onState = this.stateEmitter.event;
  readonly onProgress = this.progressEmitter.event;
  readonly onEnvironment = this.environmentEmitter.event;

  constructor(
    private readonly module: string,
    private readonly log: OutputChannel,
    private readonly settings: Pick<WorkerSettingsSource, "current" | "onChange">,
  ) {
    this.settingsListener = settings.onChange(() => void this.sendSettings());
  }

  /** Starts the worker, or gives the running one. Rejects with a message for people when it cannot start. */
  start(): Promise<LanguageClient> {
    this.starting ??= this.launch();
    return this.starting;
  }

  /** Starts the worker for a file that was opened, unless it has kept dying. */
  async startForFile(): Promise<void> {
    if (!this.gaveUp) await this.start();
  }

  /** Sends a request, starting the worker first if need be. Rejects with the worker's ResponseError. */
  async request<P, R>(name: RequestName<P, R>, params: P, token?: CancellationToken): Promise<R> {
    const client = await this.start();
    // jsonrpc would take an undefined token for a second parameter.
    return token ? client.sendRequest<R>(name.method, params, token) : client.sendRequest<R>(name.method, params);
  }

  async restart(): Promise<void> {
    await this.stop();
    this.crashes = [];
    this.gaveUp = false;
    await this.start();
  }

  dispose(): void {
    this.settingsListener.dispose();
    void this.stop();
    this.stateEmitter.dispose();
    this.progressEmitter.dispose();
    this.environmentEmitter.dispose();
  }

  /** Ends the worker; a later request starts it again. */
  async stop(): Promise<void> {
    // A start that waits for it goes on first, so that its client is stopped here; that start says what goes wrong.
    await this.library?.catch(() => undefined);
    const client = this.client;
    this.client = undefined;
    this.starting = undefined;
    if (client?.needsStop()) await client.stop();
    await client?.dispose();
  }

  private async launch(): Promise<LanguageClient> {
    this.stateEmitter.fire({ state: "starting" });
    const library = await this.loaded();
    const { LanguageClient, State, TransportKind } = library;
    const server: ServerOptions = {
      module: this.module,
      args: ["serve"],
      transport: TransportKind.ipc,
      options: { execArgv: [] },
    };
    const client = new LanguageClient(SECTION, "LoRA Lens", server, this.clientOptions(library));
    this.client = client;
    client.onDidChangeState(({ newState }) => {
      if (newState !== State.Running) return;
      this.stateEmitter.fire({ state: "running", reading: { state: "idle" } });
      if (this.settingsChanged) void this.sendSettings();
    });
    this.on(client, ReadingStateNotification, (reading) => this.stateEmitter.fire({ state: "running", reading }));
    this.on(client, JobProgressNotification, (progress) => this.progressEmitter.fire(progress));
    this.on(client, EnvironmentNotification, (found) => this.environmentEmitter.fire(found));
    try {
      await client.start();
    } catch (error) {
      throw this.notStarted(error);
    }
    return client;
  }

  private async loaded(): Promise<Library> {
    this.library ??= import("vscode-languageclient/node");
    try {
      return await this.library;
    } catch (error) {
      this.library = undefined;
      throw this.notStarted(error);
    }
  }

  private notStarted(error: unknown): Error {
    this.client = undefined;
    this.starting = undefined;
    this.gaveUp = true;
    const message = `The LoRA Lens worker did not start: ${error instanceof Error ? error.message : String(error)}`;
    this.stateEmitter.fire({ state: "crashed", message });
    return new Error(message);
  }

  private clientOptions(library: Library): LanguageClientOptions {
    return {
      documentSelector: [
        { language: "python", scheme: "file" },
        { language: "python", scheme: "untitled" },
        { language: "python", notebook: "jupyter-notebook" },
        ...TFJS_LANGUAGES.map((language) => ({ language, scheme: "file" })),
        // Keras and TensorFlow.js models may have any name; other JSON is told from its text and not read.
        { language: "json", scheme: "file" },
      ],
      outputChannel: this.log,
      // Asked for at each start, also when the worker starts again after a crash.
      initializationOptions: () => this.settings.current(),
      errorHandler: this.errorHandler(library),
      markdown: { isTrusted: false, supportHtml: false },
    };
  }

  private errorHandler({ CloseAction, ErrorAction }: Library): ErrorHandler {
    return {
      error: (_error, _message, count) => ({ action: (count ?? 0) < 4 ? ErrorAction.Continue : ErrorAction.Shutdown }),
      closed: () => {
        const now = Date.now();
        this.crashes = [...this.crashes.filter((at) => now - at < CRASH_WINDOW_MS), now];
        if (this.crashes.length < MOST_CRASHES) {
          this.stateEmitter.fire({ state: "starting" });
          return { action: CloseAction.Restart, handled: true };
        }
        this.client = undefined;
        this.starting = undefined;
        this.gaveUp = true;
        const message = `The LoRA Lens worker crashed ${this.crashes.length} times in a row and was not started again. Its log says why; "LoRA Lens: Restart Worker" starts it again.`;
        this.stateEmitter.fire({ state: "crashed", message });
        void showError(new Error(message));
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    };
  }

  private on<P>(client: LanguageClient, name: NotificationName<P>, handle: (params: P) => void): void {
    client.onNotification(name.method, handle);
  }

  private async sendSettings(): Promise<void> {
    // A worker that is not there yet asks for them when it starts.
    if (!this.client) return;
    this.settingsChanged = !this.client.isRunning();
    if (!this.settingsChanged) await this.client.sendNotification(SettingsNotification.method, this.settings.current());
  }
}
