import { LSPErrorCodes, ResponseError } from "vscode-languageserver";
import type { JobError } from "../../protocol/jobs";
import { UserError } from "../formats/errors";

/** A JobError as an exception: what a thread or process reported, or how it ended. */
export class JobFailure extends Error {
  override readonly name = "JobFailure";
  constructor(readonly error: JobError) {
    super(error.message);
  }
}

/** The work was abandoned because something newer replaced it or because the person cancelled it. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
  constructor() {
    super("cancelled");
  }
}

/** An error as data. Anything but a UserError is a defect; its stack belongs in the log, not in the message. */
export function toJobError(error: unknown): JobError {
  if (error instanceof JobFailure) return error.error;
  if (error instanceof UserError) {
    const { file, line } = error.place ?? {};
    return {
      message: error.message,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      defect: false,
    };
  }
  return { message: error instanceof Error ? error.message : String(error), defect: true };
}

/** The response to a failed request; `data` is the JobError. */
export function toResponseError(error: unknown): ResponseError<JobError> {
  const data = toJobError(error);
  if (error instanceof Cancelled) return new ResponseError(LSPErrorCodes.RequestCancelled, "cancelled", data);
  return new ResponseError(LSPErrorCodes.RequestFailed, data.message, data);
}
