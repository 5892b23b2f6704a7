import { TargetsRequest } from "../../../protocol/messages";
import { targetChoices } from "../../language/targets";
import type { Session } from "../session";

export function targets(session: Session): void {
  session.answer(TargetsRequest, async ({ uri, class: name, adapter }, token) =>
    targetChoices(session.withUses(uri, await session.readingOf(uri, token)), name, adapter),
  );
}
