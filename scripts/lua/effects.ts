/** What a file of `lua/` gives and writes, by its header and by its text. */

/** The entries of a line `GIVES` or `WRITES` of the header; undefined if it has none. */
export function declared(kind: 'GIVES' | 'WRITES', source: string): string[] | undefined {
  const match = new RegExp(`^-- ${kind} +(.*(?:\\n--  {7}.*)*)$`, 'm').exec(source);
  if (!match) return undefined;
  const entries = match[1]!.replace(/\n-- +/g, ' ').split(/, (?![^(]*\))/);
  return entries.join() === 'nothing' ? [] : entries;
}

/** What a helper gives, in its order: one function, or the fields and functions of its table. */
export function givenBy(helper: string, source: string): string[] {
  const own = new RegExp(`^local function (${helper}\\(.*\\))$`, 'm').exec(source);
  if (own) return [own[1]!];
  const given = new RegExp(
    `^(?:function ${helper}\\.(\\w+\\(.*\\))|(${helper}\\.\\w+(?:, ${helper}\\.\\w+)*) = .*)$`,
    'gm',
  );
  return [...source.matchAll(given)].flatMap(([, method, list]) =>
    method === undefined ? list!.split(', ').map((one) => one.slice(helper.length + 1)) : [method],
  );
}

const READS = new Set(
  (
    'EXISTS HEXISTS HGET HGETALL HLEN HMGET HSCAN HSTRLEN PTTL TIME XLEN ZCARD ZCOUNT ZLEXCOUNT ZMSCORE ZRANGE ' +
    'ZRANGEBYLEX ZRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZSCORE'
  ).split(' '),
);

/**
 * The tables that the text writes itself, each once: the last name of the first argument of every command that is no
 * read. A publication is no write.
 *
 * @throws Error for a call whose command is no literal
 */
export function writtenBy(source: string): string[] {
  const code = source.replace(/--.*$/gm, '');
  const written = [...code.matchAll(/\bcall\((?:'([A-Z]+)'(?:, ([\w.]+))?)?/g)].flatMap(
    ([text, command, key]) => {
      if (command === undefined) throw new Error(`"${text}" names no command`);
      if (READS.has(command) || command === 'PUBLISH') return [];
      return [key!.split(/[._]/).at(-1)!.toLowerCase()];
    },
  );
  return [...new Set(written)];
}
