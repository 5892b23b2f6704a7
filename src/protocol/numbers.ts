/** Kinds of numbers that results hold. The tags are read by `npm run schemas`. */

/**
 * A whole number, 0 or more.
 * @asType integer
 * @minimum 0
 */
export type Count = number;

/**
 * A number that was computed. JSON has no word for infinity or for what is not a number: both are written as null.
 * @nullable
 */
export type Computed = number;
