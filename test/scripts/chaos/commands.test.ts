import { expect } from 'chai';
import { shardKey } from '../../../src/base/keys.ts';
import { Commands, encode, isOfShard } from '../../../scripts/chaos/commands.ts';

const MANY = [
  ['PING'],
  ['EVALSHA', 'x', '1', shardKey('t', 1, 'waiting'), `${shardKey('t', 2, 'waiting')} a body\r\n*3`],
  ['EXISTS', shardKey('t', 1, 'head'), shardKey('t', 2, 'head')],
];
const BYTES = Buffer.concat(MANY.map(encode));

/** What goes to the server when the client's bytes come in pieces of a size. */
function passed(size: number, refuse: (args: readonly Buffer[]) => string | undefined): string {
  const commands = new Commands(refuse);
  const parts: Buffer[] = [];
  for (let at = 0; at < BYTES.length; at += size) parts.push(commands.push(BYTES.subarray(at, at + size)));
  return Buffer.concat(parts).toString();
}

describe('the commands that pass the proxy of a chaos run', () => {
  it('are the same, however they are cut', () => {
    for (let size = 1; size <= BYTES.length; size += 1)
      expect(passed(size, () => undefined)).to.equal(BYTES.toString());
  });

  it('are refused by the server in their place', () => {
    const [first, , last] = MANY.map((command) => encode(command).toString()) as [string, string, string];
    const refused = encode(['EVAL', 'return redis.error_reply(ARGV[1])', '0', 'CLUSTERDOWN x']).toString();
    for (const size of [1, 7, BYTES.length])
      expect(passed(size, (args) => (isOfShard(args, 1) ? 'CLUSTERDOWN x' : undefined))).to.equal(
        first + refused + last,
      );
  });
});
