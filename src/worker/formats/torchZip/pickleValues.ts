/** What a restricted pickle can hold: plain data, and PyTorch's descriptions of storages and tensors. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleSet
  | PickleGlobal
  | PickleStorage
  | PickleTensor;

export class PickleList {
  readonly items: PickleValue[] = [];
}
export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}
/** A dict or an OrderedDict. Keys other than plain ones are told apart by identity, which is all that is needed here. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
}
export class PickleSet {
  readonly items = new Set<PickleValue>();
}
/** A known name of a Python module: `torch.FloatStorage`. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}
/** Bytes of the archive's `data/KEY`. */
export class PickleStorage {
  constructor(
    readonly key: string,
    /** Element type as PyTorch names it; "untyped" counts bytes. */
    readonly dtype: string,
    /** Elements. */
    readonly length: number,
  ) {}
}
/** A view of a storage. Offset and strides count elements. */
export class PickleTensor {
  constructor(
    readonly storage: PickleStorage,
    readonly dtype: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}
