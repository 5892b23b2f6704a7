import { InjectRequest } from "../../../protocol/messages";
import type { Session } from "../session";

export function inject(session: Session): void {
  session.answer(InjectRequest, async (params) =>
    session.thread.run({ type: "inject", params: { ...params, model: await session.asShown(params.model) } }),
  );
}
