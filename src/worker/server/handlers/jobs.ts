import type { JobRequest } from "../../../protocol/jobRegistry";
import { EnginesRequest, JobProgressNotification, RunJobRequest, StopJobRequest } from "../../../protocol/messages";
import type { Session } from "../session";

/** Requests that run in a process of their own. */
export function jobs(session: Session): void {
  const { compute } = session;
  session.answer(RunJobRequest, async ({ id, job }, token) => {
    const shown: JobRequest = job.model ? { ...job, model: await session.asShown(job.model) } : job;
    return compute.run(id, shown, (progress) => session.notify(JobProgressNotification, { id, progress }), token);
  });
  session.answer(StopJobRequest, ({ id }) => ({ found: compute.stop(id) }));
  session.answer(EnginesRequest, async (_, token) => ({ engines: await compute.engines(token) }));
}
