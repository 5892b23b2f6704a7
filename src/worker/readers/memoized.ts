/**
 * Works a function of an immutable object out once for each: of a statement, which outlives the reading while its file
 * is open, or of a graph's node. What it gives may depend on that object alone, and nobody may change it: then no
 * reading can tell whether another one has asked before.
 */
export function memoized<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    if (known.has(key)) return known.get(key) as V;
    const value = compute(key);
    known.set(key, value);
    return value;
  };
}
