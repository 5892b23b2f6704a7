import { csv } from "./csv/csv";
import type { DataSource } from "./source";

/** The kinds of data to train on. A file with an unknown ending is read as the first kind. */
export const DATA_SOURCES: readonly [DataSource, ...DataSource[]] = [csv];

export function dataSourceOf(file: string): DataSource {
  const name = file.toLowerCase();
  return DATA_SOURCES.find(({ extensions }) => extensions.some((end) => name.endsWith(`.${end}`))) ?? DATA_SOURCES[0];
}
