// What the tools that run on a Redis have in common: the parts of their usage text, and what they say of bad usage.
import { expect } from 'chai';
import * as bench from '../../scripts/bench/options.ts';
import * as chaos from '../../scripts/chaos/options.ts';
import * as demo from '../../scripts/demo/options.ts';
import * as fleet from '../../scripts/fleet/options.ts';
import * as soak from '../../scripts/soak/options.ts';
import { UsageError } from '../../src/cli/output.ts';

const TOOLS = { bench, chaos, demo, fleet, soak };

/** What is written to stdout meanwhile. */
function written(act: () => unknown): string {
  const { stdout } = process;
  let text = '';
  const own = Object.getOwnPropertyDescriptor(stdout, 'write');
  stdout.write = (part: string | Uint8Array) => ((text += String(part)), true);
  try {
    act();
  } finally {
    if (own) Object.defineProperty(stdout, 'write', own);
    else Reflect.deleteProperty(stdout, 'write');
  }
  return text;
}

describe('the tools', () => {
  for (const [name, { parseOptions }] of Object.entries(TOOLS)) {
    it(`${name}: help says the same of JSON, of Redis and of exit codes, on stdout`, () => {
      const help = written(() => expect(parseOptions(['--help'])).to.equal(undefined));
      expect(help).to.match(new RegExp(`^Usage: npm run ${name} -- \\[options\\]\n\n`));
      const words = help.replace(/\s+/g, ' ');
      expect(words).to.include('--json print one JSON object on stdout, and all else on stderr');
      expect(words).to.match(
        / Redis: .+\. Exit codes: 0 .+; 1 .+, or it could not run; 2 bad usage; 130 interrupted\. $/,
      );
    });

    it(`${name}: bad usage is one line, with what was meant or where help is`, () => {
      const refused = (args: string[]): UsageError => {
        try {
          parseOptions(args);
        } catch (error) {
          expect(error).to.be.instanceOf(UsageError);
          return error as UsageError;
        }
        throw new Error(`${name} takes ${args.join(' ')}`);
      };
      expect(refused(['--jsno'])).to.deep.include({
        message: "unknown option '--jsno'",
        hint: 'did you mean --json?',
      });
      const extra = refused(['extra']);
      expect(extra.message).to.match(/^too many arguments[^\n]*$/);
      expect(extra.hint).to.equal(`run "npm run ${name} -- --help"`);
    });
  }
});
