import type { EnvironmentCandidate } from "../../../protocol/environments";
import type { JobError } from "../../../protocol/jobs";
import type { ConfigurationsResult, InjectParams } from "../../../protocol/messages";
import type { InjectionSummary } from "../../../protocol/reports";
import type { FileShapes } from "../../language/fileShapes";
import type { Reading } from "../../language/layers";
import type { EnvironmentSearch } from "../../readers/python/imports/find";
import type { ReadChoice } from "./readingChoices";

/** Server to reading thread. One command is under way at a time. */
export type ReadingCommand =
  | ({
      readonly type: "read";
      readonly file: string;
      readonly text: string;
      /** An Int32Array's memory; non-zero abandons the reading. */
      readonly cancel: SharedArrayBuffer;
      /** Reuses nothing from earlier readings. */
      readonly fresh?: boolean;
    } & ReadChoice)
  | ({
      /** Shapes in the file's code, requested after its lenses. */
      readonly type: "shapes";
      readonly file: string;
      readonly text: string;
      readonly cancel: SharedArrayBuffer;
    } & ReadChoice)
  | ({
      /** The configurations of the class. */
      readonly type: "configurations";
      readonly file: string;
      readonly text: string;
      readonly class: string;
    } & ReadChoice)
  | {
      readonly type: "environment";
      readonly candidates: readonly EnvironmentCandidate[];
    }
  | {
      readonly type: "inject";
      readonly params: InjectParams;
    };

/** The content of each command's reply. */
export interface ReadingResults {
  readonly read: Reading;
  readonly shapes: FileShapes;
  readonly configurations: ConfigurationsResult;
  readonly environment: EnvironmentSearch;
  readonly inject: InjectionSummary;
}

/** Reading thread to server: once for each command. */
export type ReadingReply =
  | { readonly ok: true; readonly value: ReadingResults[ReadingCommand["type"]] }
  | { readonly ok: false; readonly error: JobError };
