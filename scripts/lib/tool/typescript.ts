/** The compiler. An import would first look for names in its nine megabytes, which costs each process 0.7 s of CPU. */
import { createRequire } from 'node:module';
import type TS from 'typescript';

export const ts = createRequire(import.meta.url)('typescript') as typeof TS;
