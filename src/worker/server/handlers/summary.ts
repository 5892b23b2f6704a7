import { SummaryRequest } from "../../../protocol/messages";
import type { Session } from "../session";

export function summary(session: Session): void {
  session.answer(SummaryRequest, async ({ uri }, token) => (await session.readingOf(uri, token)).summary);
}
