/** A tensor's operation makes nodes of a graph, which every later pass goes through: some 20 times an expression's work. */
export const TENSOR_STEPS = 20;
