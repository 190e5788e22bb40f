#!/usr/bin/env node
/** The process of the command `sched-lua`: its arguments, its terminal, and its end. */
import { listenForInterrupts } from './interrupt.ts';
import { EXIT } from './output.ts';
import { runProgram } from './program.ts';

// when the reader goes away (`| head`), the command goes on and its exit code still says how it ended
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`sched-lua: cannot write: ${error.message}\n`);
  process.exit(EXIT.failed);
});
process.stderr.on('error', () => undefined);
listenForInterrupts();

process.exitCode = await runProgram(process.argv.slice(2), process);
// do not wait for open sockets: a server that hangs would keep its half-closed one, and this process, for ever
process.stdout.write('', () => process.exit());
