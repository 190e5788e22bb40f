import { runInNewContext } from 'node:vm';

/** Things that a user's code may throw, and that hide what they are. */
class HidesItsMessage extends Error {
  // a class field hides what the constructor set
  override message!: string;
}

export const ODD_THROWS: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  'a text': () => 'text',
  'an empty text': () => '',
  'a symbol': () => Symbol('s'),
  'a bigint': () => 5n,
  'an object': () => ({ code: 'E_GPU', message: 'no gpu' }),
  'an object without a prototype': () => Object.create(null) as unknown,
  'an object that cannot be a text': () => ({
    toString: (): string => {
      throw new Error('no text');
    },
  }),
  'an error without a message': () => new Error(''),
  'an error that hides its message': () =>
    Object.defineProperty(new HidesItsMessage('lost'), 'message', { value: undefined }),
  'an error whose message is an object': () => Object.assign(new Error('x'), { message: { a: 1 } }),
  'an error whose message cannot be read': () =>
    Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('getter');
      },
    }),
  'an error of another realm': () => runInNewContext('new Error("far away")') as unknown,
  'a proxy of nothing any more': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'an object that throws whatever it is asked': () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap');
        },
        getPrototypeOf: () => {
          throw new Error('trap');
        },
      },
    ),
  'an error whose cause and stack cannot be read': () =>
    Object.defineProperties(new Error('x'), {
      cause: {
        get: () => {
          throw new Error('getter');
        },
      },
      stack: {
        get: () => {
          throw new Error('getter');
        },
      },
    }),
  'a frozen error with a command': () =>
    Object.freeze(Object.assign(new Error('x'), { command: { name: 'n', args: [] } })),
  'an error with a huge message': () => new Error('\u{1F600}'.repeat(400_000)),
};
