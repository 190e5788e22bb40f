// The members of a body, found in its bytes: compared with JSON.parse for any object, and spliced without touching
// another byte.
import { expect } from 'chai';
import fc from 'fast-check';
import { BadJson, readObject, setMembers, splice } from '../../src/openai/json-object.ts';

const read = (text: string) => readObject(Buffer.from(text));
const valueAt = (text: string, name: string): string => {
  const bytes = Buffer.from(text);
  const { from, to } = readObject(bytes).places.get(name)!;
  return bytes.toString('utf8', from, to);
};

function problem(bytes: string | Buffer): Pick<BadJson, 'code' | 'param'> {
  try {
    readObject(Buffer.from(bytes as string));
  } catch (error) {
    if (error instanceof BadJson) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('it was read');
}

describe('the members of a JSON object', () => {
  it('are found with exactly their bytes, whatever stands between them', () => {
    const text =
      ' {\n"model" :"m\\"}" ,\t"seed":9007199254740993 , "a":[ {"model":"x"}, "]" ],"n":1e2,"t":true\r\n} ';
    expect(valueAt(text, 'model')).to.equal('"m\\"}"');
    expect(valueAt(text, 'seed')).to.equal('9007199254740993');
    expect(valueAt(text, 'a')).to.equal('[ {"model":"x"}, "]" ]');
    expect(valueAt(text, 'n')).to.equal('1e2');
    expect(valueAt(text, 't')).to.equal('true');
  });

  it('are those of JSON.parse, of any object in any spacing', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom('', ' ', '\t', '\n'),
        (object, space) => {
          const text = JSON.stringify(object, undefined, space);
          const bytes = Buffer.from(text);
          const { places } = readObject(bytes);
          expect([...places.keys()]).to.have.members(Object.keys(object));
          for (const [name, { from, to }] of places)
            expect(JSON.parse(bytes.toString('utf8', from, to))).to.deep.equal(
              (JSON.parse(text) as Record<string, unknown>)[name],
            );
        },
      ),
    );
  });

  it('have names that are told apart without their escapes', () => {
    expect(problem('{"mod\\u0065l":"a","model":"b"}')).to.deep.equal({
      code: 'duplicate_key',
      param: 'model',
    });
    expect(problem('{"__proto__":1,"__proto__":2}').code).to.equal('duplicate_key');
    expect([...read('{"__proto__":{"x":1},"constructor":2}').places.keys()]).to.deep.equal([
      '__proto__',
      'constructor',
    ]);
  });

  it('may repeat inside of a member', () => {
    expect([...read('{"a":{"b":1,"b":2}}').places.keys()]).to.deep.equal(['a']);
  });

  const bad: Record<string, string | Buffer> = {
    nothing: '',
    'a list': '[]',
    'a string': '"a"',
    null: 'null',
    'a comma too many': '{"a":1,}',
    'half of it': '{"a":1',
    two: '{} {}',
    'a control character in a string': '{"a":"\u0001"}',
    'a mark of byte order': '\ufeff{}',
    'bytes that are no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    NaN: '{"a":NaN}',
    'a million brackets': '['.repeat(1_000_000),
  };
  for (const [name, text] of Object.entries(bad)) {
    it(`are not read from ${name}`, () => expect(problem(text).code).to.equal('bad_json'));
  }

  it('are read from a million nested lists', () => {
    const depth = 1_000_000;
    const text = `{"a":${'['.repeat(depth)}${']'.repeat(depth)},"b":1}`;
    const { from, to } = read(text).places.get('a')!;
    expect(to - from).to.equal(2 * depth);
  });

  it('are set in their place, or added at the end, and no other byte changes', () => {
    const bytes = Buffer.from('{ "model" : "alias" , "seed":12345678901234567890,"s":"é\\u00e9"} \n');
    const object = readObject(bytes);
    const changed = splice(bytes, setMembers(object, { model: '"served"', stream: 'true', n: '1' }));
    expect(changed.toString()).to.equal(
      '{ "model" : "served" , "seed":12345678901234567890,"s":"é\\u00e9","stream":true,"n":1} \n',
    );
    expect(splice(Buffer.from('{ }'), setMembers(read('{ }'), { a: '1' })).toString()).to.equal('{ "a":1}');
    expect(splice(bytes, []).equals(bytes)).to.equal(true);
  });
});
