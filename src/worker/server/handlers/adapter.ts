import { AdapterRequest } from "../../../protocol/messages";
import { adapterIn } from "../savedAdapter";
import type { Session } from "../session";

export function adapter(session: Session): void {
  session.answer(AdapterRequest, async ({ folder }) => ({ adapter: await adapterIn(folder) }));
}
