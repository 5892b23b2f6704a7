/** What the samples of a data file are labeled with. */
export type Labels =
  | {
      readonly kind: "names";
      /** A row's position in `names`. */
      readonly values: Int32Array;
      /** In alphabetical order. */
      readonly names: readonly string[];
      /** The first that is no number. */
      readonly name: string;
    }
  | {
      readonly kind: "numbers";
      readonly values: Float64Array;
      /** Each that occurs, the smallest first. */
      readonly distinct: readonly number[];
    };
