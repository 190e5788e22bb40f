// The engine that tests believe in, tested: it counts right, also for many at once, also behind what another emitted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SLOTS = 8;
let engine;
let url;

before(async () => {
  const program = fileURLToPath(new URL('engine.mjs', import.meta.url));
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  engine = spawn(process.execPath, [program, '0', String(SLOTS), '1'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(engine.stdout, 'data');
  url = `http://127.0.0.1:${JSON.parse(String(line)).port}`;
});

after(async () => {
  engine.kill('SIGKILL');
  await once(engine, 'exit');
});

const counted = (count, behind = 0) => Array.from({ length: count }, (_, i) => ` ${behind + i + 1}`).join('');

async function post(path, body, signal) {
  return fetch(url + path, { method: 'POST', body: JSON.stringify({ model: 'counting', ...body }), signal });
}

async function metric(name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)[1]);
}

const chat = (max_tokens, more = {}) => ({
  messages: [{ role: 'user', content: 'count, please' }],
  max_tokens,
  ...more,
});

test('it counts from one', async () => {
  const { choices, usage } = await (await post('/v1/chat/completions', chat(200))).json();
  assert.equal(choices[0].message.content, counted(200));
  assert.equal(choices[0].finish_reason, 'length');
  assert.equal(usage.completion_tokens, 200);
});

test('it goes on behind the number that a prompt, or the message that it continues, ends with', async () => {
  const completion = await (await post('/v1/completions', { prompt: ' 41', max_tokens: 3 })).json();
  assert.equal(completion.choices[0].text, ' 42 43 44');
  const messages = [
    { role: 'user', content: 'count' },
    { role: 'assistant', content: counted(17) },
  ];
  const more = { messages, max_tokens: 3, continue_final_message: true, add_generation_prompt: false };
  const { choices } = await (await post('/v1/chat/completions', more)).json();
  assert.equal(choices[0].message.content, ' 18 19 20');
});

test('it ends behind the last number', async () => {
  const { choices } = await (await post('/v1/completions', { prompt: ' 997', max_tokens: 9 })).json();
  assert.deepEqual([choices[0].text, choices[0].finish_reason], [' 998 999', 'stop']);
});

test('it counts right for more than it has slots, at once, whatever the temperature', async () => {
  const all = Array.from({ length: 2 * SLOTS }, async (_, i) => {
    const response = await post(
      '/v1/chat/completions',
      chat(60 + i, { stream: true, temperature: (i % 3) / 2 }),
    );
    const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
    const content = events
      .map((event) => JSON.parse(event.slice(6)).choices[0]?.delta.content ?? '')
      .join('');
    assert.equal(content, counted(60 + i));
  });
  await Promise.all(all);
});

test('it counts tokens: a number with its blank is one', async () => {
  assert.equal(
    (await (await post('/tokenize', { prompt: counted(50), add_special_tokens: false })).json()).count,
    50,
  );
  assert.equal((await (await post('/tokenize', { prompt: counted(50) })).json()).count, 51);
});

test('it stops when the connection is closed, and has all of its blocks again', async () => {
  const before = await metric('counting:aborted_total');
  const stop = new AbortController();
  const response = await post('/v1/chat/completions', chat(900, { stream: true }), stop.signal);
  await response.body.getReader().read();
  stop.abort();
  while ((await metric('counting:aborted_total')) === before)
    await new Promise((next) => setTimeout(next, 20));
  while ((await metric('vllm:kv_cache_usage_perc')) > 0) await new Promise((next) => setTimeout(next, 20));
  assert.equal(await metric('vllm:num_requests_running'), 0);
});

test('it refuses what does not fit, and what it does not serve', async () => {
  assert.equal((await post('/v1/chat/completions', chat(99_999))).status, 400);
  assert.equal((await post('/v1/chat/completions', { ...chat(1), model: 'other' })).status, 404);
  assert.equal((await post('/v1/embeddings', { input: 'x' })).status, 404);
});
