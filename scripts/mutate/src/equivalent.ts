import type { Equivalent } from '../mutant.ts';

/** Each with its reason, why the client does the same with it. */
export const EQUIVALENT: readonly Equivalent[] = [];
