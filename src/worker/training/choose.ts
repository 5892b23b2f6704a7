import { UserError } from "../formats/errors";

/**
 * The row of that id; without one the first, the default. Throws a UserError that lists the rows. `what` names them in
 * the message: "optimizer".
 */
export function rowOf<T extends { readonly id: string }>(
  rows: readonly [T, ...T[]],
  id: string | undefined,
  what: string,
): T {
  if (id === undefined) return rows[0];
  const row = rows.find((known) => known.id === id);
  if (row) return row;
  throw new UserError(`there is no ${what} "${id}"; choose ${rows.map((known) => known.id).join(", ")}`);
}
