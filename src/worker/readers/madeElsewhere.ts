import type { MadeElsewhere } from "../../protocol/model";

/** In words, where a class is constructed: "../train.py, line 9", "train.ipynb, cell 2, line 1", "Net in model.py". */
export function madeAt({ by, path, cell, line }: MadeElsewhere): string {
  if (by !== undefined) return `${by} in ${path}`;
  return cell === undefined ? `${path}, line ${line}` : `${path}, cell ${cell}, line ${line}`;
}
