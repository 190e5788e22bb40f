// The door: every row of the table of errors, the limits of bodies and times to the byte, and what is no HTTP.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CHAT, STREAM, codeOf, useHouse, type Answer } from './support.ts';
import { waitUntil } from '../support/server.ts';

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

describe('the door of the gateway', () => {
  const house = useHouse();
  const answered = () =>
    house.worker(async (_, run) => {
      await run.head({}, '{}');
      await run.end();
    });
  const seen = (answer: Answer): unknown[] => [answer.status, codeOf(answer)];

  describe('refuses a body', () => {
    const rows: [string, string, string, string?][] = [
      ['that is no JSON', '{"model":', 'bad_json'],
      ['that is a list', '[]', 'bad_json'],
      ['without a model', '{"messages":[]}', 'missing_model'],
      ['whose model is a number', '{"model":5}', 'missing_model'],
      ['whose model is empty', '{"model":""}', 'missing_model'],
      ['with a key twice', '{"model":"m","n":1,"n":2}', 'duplicate_key'],
      ['with a key twice, once escaped', '{"model":"m","\\u006dodel":"x"}', 'duplicate_key'],
      ['that needs state', '{"model":"m","previous_response_id":"x"}', 'stateful', '/v1/responses'],
      ['that runs in the background', '{"model":"m","background":true}', 'stateful', '/v1/responses'],
      [
        'with media by URL',
        '{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"http://x/"}}]}]}',
        'remote_media',
      ],
    ];
    for (const [name, body, code, path] of rows) {
      it(name, async () => {
        await house.start({ denyRemoteMedia: true });
        await answered();
        const answer = await house.post(body, {}, path);
        expect(seen(answer)).to.deep.equal([400, code]);
        const { error } = JSON.parse(answer.body.toString()) as { error: object };
        expect(Object.keys(error)).to.deep.equal(['message', 'type', 'param', 'code']);
      });
    }

    it('of one byte over the limit, however it is sent, and none at the limit', async () => {
      await house.start({ maxBody: '1000' });
      await answered();
      const of = (bytes: number): string => `{"model":"m","x":"${'y'.repeat(bytes - 20)}"}`;
      expect(of(1000)).to.have.length(1000);
      for (const [bytes, status] of [
        [999, 200],
        [1000, 200],
        [1001, 413],
      ] as const) {
        expect((await house.post(of(bytes))).status, String(bytes)).to.equal(status);
        const chunked = await house.call('/v1/completions', of(bytes), { 'transfer-encoding': 'chunked' })
          .answer;
        expect(chunked.status, `${bytes} chunked`).to.equal(status);
      }
      const raw = house.raw('POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n');
      await raw.closed();
      expect(raw.text).to.match(/^HTTP\/1\.1 413 [^]*"body_too_large"/);
    });

    it('that is compressed', async () => {
      await house.start();
      expect(seen(await house.post('x', { 'content-encoding': 'gzip' }))).to.deep.equal([400, 'bad_request']);
    });
  });

  it('knows no other path, and no other method', async () => {
    await house.start();
    for (const path of [
      '/',
      '/v1/chat/completions/',
      '/v1/files',
      '/health',
      '/metrics',
      '//v1/models',
      '/v1/models/',
    ])
      expect(seen(await house.get(path)), path).to.deep.equal([404, 'not_found']);
    expect(seen(await house.get('/v1/completions'))).to.deep.equal([405, 'method_not_allowed']);
    expect(seen(await house.post('{}', {}, '/v1/models'))).to.deep.equal([405, 'method_not_allowed']);
  });

  it('says which models there are, with their aliases', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sched-lua-gateway-'));
    try {
      const config = join(folder, 'config.json');
      writeFileSync(config, JSON.stringify({ aliases: { other: 'm', none: 'gone' } }));
      await house.start({}, {}, config);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const worker = await answered();
    const { body } = await house.get('/v1/models');
    const { data } = JSON.parse(body.toString()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).to.deep.equal(['m', 'other']);
    expect((await house.get('/v1/models/m')).status).to.equal(200);
    expect(seen(await house.get('/v1/models/x'))).to.deep.equal([404, 'model_not_found']);
    const sent = '{ "seed":12345678901234567890,"model" : "other" }';
    expect((await house.post(sent)).status).to.equal(200);
    expect(worker.claims[0]!.request.body.toString()).to.equal(
      '{ "seed":12345678901234567890,"model" : "m" }',
    );
  });

  it('refuses a model that no worker said, and makes no key for it', async () => {
    await house.start();
    expect(seen(await house.post(CHAT))).to.deep.equal([503, 'no_workers']);
    await answered();
    const refused = async (): Promise<unknown> => seen(await house.post({ ...CHAT, model: 'made-up' }))[0];
    // what was read of the registry a moment ago is not read again
    await waitUntil(async () => (await refused()) === 404, 'the gateway knows the worker');
    for (let i = 0; i < 20; i += 1)
      expect(seen(await house.post({ ...CHAT, model: `made-up-${i}` }))).to.deep.equal([
        404,
        'model_not_found',
      ]);
    expect(await house.redis.keys('*made*')).to.deep.equal([]);
  });

  describe('with keys', () => {
    let folder: string;
    let keys: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'sched-lua-gateway-'));
      keys = join(folder, 'keys.json');
      const list = [
        { name: 'one', sha256: sha256('secret-1'), models: ['m'], maxInFlight: 1, maxPriorityMs: 500 },
        { name: 'two', sha256: sha256('secret-2').toUpperCase(), models: ['x'] },
      ];
      writeFileSync(keys, JSON.stringify(list));
    });
    after(() => rmSync(folder, { recursive: true }));

    it('lets in who has one, and tells nobody else anything', async () => {
      await house.start({ keys });
      await answered();
      for (const headers of [
        {},
        bearer('secret-3'),
        bearer(''),
        { authorization: 'secret-1' },
        bearer(sha256('secret-1')),
      ]) {
        expect(seen(await house.post(CHAT, headers))).to.deep.equal([401, 'invalid_api_key']);
        expect((await house.get('/v1/models', headers)).status).to.equal(401);
        expect((await house.get('/nothing', headers)).status).to.equal(401);
      }
      expect((await house.post(CHAT, bearer('secret-1'))).status).to.equal(200);
      expect((await house.post(CHAT, { 'x-api-key': 'secret-1' })).status).to.equal(200);
      expect(seen(await house.post(CHAT, bearer('secret-2')))).to.deep.equal([403, 'model_not_allowed']);
      const { body } = await house.get('/v1/models', bearer('secret-2'));
      expect(JSON.parse(body.toString())).to.deep.equal({ object: 'list', data: [] });
    });

    it('holds each to its requests in flight, and lets it in again afterwards', async () => {
      await house.start({ keys });
      let go = (): void => undefined;
      const gone = new Promise<void>((resolve) => (go = resolve));
      const worker = await house.worker(async (_, run) => {
        await gone;
        await run.head({}, '{}');
        await run.end();
      });
      const first = house.post(CHAT, bearer('secret-1'));
      await waitUntil(() => worker.claims.length === 1, 'the first is running');
      const second = await house.post(CHAT, bearer('secret-1'));
      expect(seen(second)).to.deep.equal([429, 'key_limit']);
      expect(Number(second.headers['retry-after'])).to.be.above(0);
      go();
      expect((await first).status).to.equal(200);
      expect((await house.post(CHAT, bearer('secret-1'))).status).to.equal(200);
    });
  });

  it('tells how long to wait when too many wait, and nothing when one waited too long', async () => {
    await house.start({ maxWaiting: 1, queueTtl: '400ms' });
    await answered().then((worker) => worker.stop());
    const first = house.post(CHAT);
    await waitUntil(
      async () => /sched_lua_waiting 1\n/.test((await house.operator('/metrics')).body.toString()),
      'it waits',
    );
    const waiting = house.post(CHAT);
    const answers = await Promise.all([first, waiting]);
    const codes = answers.map(codeOf);
    expect(codes).to.include('queue_ttl');
    for (const { status, headers, body } of answers) {
      expect(status).to.equal(429);
      expect(headers['retry-after'] !== undefined).to.equal(codeOf({ body }) === 'queue_full');
    }
  });

  it('ends what is over its deadline', async () => {
    await house.start();
    await house.worker(() => undefined);
    const { status, headers, body } = await house.post(CHAT, { 'x-stainless-timeout': '0.3' });
    expect([status, codeOf({ body }), headers['x-should-retry']]).to.deep.equal([504, 'deadline', 'false']);
    expect((await house.post(CHAT, { 'x-sched-lua-ttl-ms': 'soon' })).status).to.equal(400);
  });

  describe('over bare sockets', () => {
    const corpus: [string, string, number][] = [
      [
        'two lengths',
        'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
        400,
      ],
      [
        'a length and chunks',
        'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
      ],
      [
        'a length that is no number',
        'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: +2\r\n\r\n{}',
        400,
      ],
      [
        'a coding that hides chunks',
        'POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n',
        400,
      ],
      [
        'chunks that are not last',
        'POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n',
        400,
      ],
      ['a space before the colon', 'GET /v1/models HTTP/1.1\r\nhost : x\r\n\r\n', 400],
      ['a folded header', 'GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n', 400],
      ['a bare LF in a header', 'GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: b\nx-c: d\r\n\r\n', 400],
      ['no host', 'GET /v1/models HTTP/1.1\r\n\r\n', 400],
      [
        'a chunk size that is no number',
        'POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
        400,
      ],
      ['TLS', '\x16\x03\x01\x02\x00\x01\x00', 400],
      ['nothing that is HTTP', 'hello\r\n\r\n', 400],
      ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx-a: ${'b'.repeat(20_000)}\r\n\r\n`, 431],
    ];
    for (const [name, text, status] of corpus) {
      it(`refuses ${name}, and ends the connection`, async () => {
        await house.start();
        const smuggled = `${text}GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n`;
        const raw = house.raw(Buffer.from(smuggled, 'latin1'));
        await raw.closed();
        expect(raw.text).to.match(new RegExp(`^HTTP/1\\.1 ${status} `));
        expect(raw.text.match(/HTTP\/1\.1/g)).to.have.length(1);
      });
    }

    it('ends a request whose headers, or body, do not come', async () => {
      await house.start({}, { headersTimeout: 300, requestTimeout: 600, checkEvery: 50 });
      const loris = house.raw('GET /v1/models HTTP/1.1\r\nhost: x\r\n');
      const drip = setInterval(() => loris.socket.write('x-a: b\r\n'), 50);
      const body = house.raw('POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
      await Promise.all([loris.closed(), body.closed()]).finally(() => clearInterval(drip));
      for (const { text } of [loris, body]) expect(text).to.match(/^HTTP\/1\.1 408 [^]*"request_timeout"/);
    });

    it('serves requests on one connection in their order', async () => {
      await house.start();
      await answered();
      const one = `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{"model":"m"}`;
      const raw = house.raw(one + one.replace('{"model":"m"}', '{"model": 5 }') + one);
      await waitUntil(() => raw.text.match(/HTTP\/1\.1/g)?.length === 3, 'three answers have come');
      expect(raw.text.match(/HTTP\/1\.1 \d+/g)).to.deep.equal([
        'HTTP/1.1 200',
        'HTTP/1.1 400',
        'HTTP/1.1 200',
      ]);
    });
  });

  it('does not pass on headers of clients, but says what is asked for', async () => {
    await house.start();
    const worker = await answered();
    await house.post(STREAM, {
      authorization: 'Bearer secret',
      'x-sched-lua-priority': '250',
      cookie: 'a=b',
    });
    expect(JSON.stringify(worker.claims[0]!.request.head)).not.to.match(/secret|a=b/);
  });
});
