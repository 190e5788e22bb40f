// A real engine for tests: OpenAI's calls over the counting model, with the names of vLLM's metrics. Closing the connection
// stops it.
//
//     UV_THREADPOOL_SIZE=1 node engine.mjs [port] [slots] [tokenMs] [context]
//
// prints {"port":…,"pid":…} when it serves.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countingGguf } from './counting-gguf.mjs';
import { BLOCK, Generator } from './generator.mjs';

const NAME = 'counting';
const [port = '0', slots = '8', tokenMs = '0', context = '2048'] = process.argv.slice(2);

const generator = await loaded();
const server = createServer((request, response) => {
  serve(request, response).catch((error) => {
    if (response.headersSent) response.destroy();
    else refuse(response, 500, String(error), 'InternalServerError');
  });
});
server.listen(Number(port), '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port, pid: process.pid }));
});

async function loaded() {
  const folder = mkdtempSync(join(tmpdir(), 'counting-engine-'));
  try {
    const modelPath = join(folder, 'counting.gguf');
    writeFileSync(modelPath, countingGguf({ context: Number(context) }));
    const figures = { slots: Number(slots), context: Number(context), tokenMs: Number(tokenMs) };
    return await Generator.load({ modelPath, ...figures });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function serve(request, response) {
  const path = request.url.split('?')[0];
  if (request.method === 'GET') return look(path, response);
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = JSON.parse(String(Buffer.concat(parts)));
  if (path === '/tokenize') return json(response, 200, tokensOf(body));
  const isChat = path === '/v1/chat/completions';
  if (!isChat && path !== '/v1/completions') return refuse(response, 404, 'Not Found', 'NotFoundError');
  if (body.model !== NAME)
    return refuse(response, 404, `The model \`${body.model}\` does not exist.`, 'NotFoundError');
  return complete(request, response, body, isChat);
}

function look(path, response) {
  if (path === '/health') return response.end();
  if (path === '/v1/models') {
    const model = {
      id: NAME,
      object: 'model',
      created: 0,
      owned_by: 'tests',
      max_model_len: generator.context,
    };
    return json(response, 200, { object: 'list', data: [model] });
  }
  if (path !== '/metrics') return refuse(response, 404, 'Not Found', 'NotFoundError');
  const labels = `{engine="0",model_name="${NAME}"}`;
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  return response.end(
    [
      `vllm:num_requests_running${labels} ${generator.running}`,
      `vllm:num_requests_waiting${labels} ${generator.waiting}`,
      `vllm:kv_cache_usage_perc${labels} ${generator.usage}`,
      `vllm:generation_tokens_total${labels} ${generator.generated}`,
      `vllm:cache_config_info{block_size="${BLOCK}",engine="0",num_gpu_blocks="${generator.totalBlocks}"} 1`,
      `counting:aborted_total ${generator.aborted}`,
      '',
    ].join('\n'),
  );
}

function tokensOf({ prompt, messages, add_special_tokens: isSpecial = true }) {
  const tokens = generator.tokenize(prompt ?? messages.map(contentOf).join('\n'));
  return { count: tokens.length + Number(isSpecial), max_model_len: generator.context, tokens };
}

async function complete(request, response, body, isChat) {
  const text = isChat
    ? body.messages.map(contentOf).join('\n') + (body.continue_final_message ? '' : '\n')
    : body.prompt;
  const prompt = generator.promptOf(text);
  const rest = generator.context - prompt.length;
  const most = body.max_completion_tokens ?? body.max_tokens ?? (isChat ? rest : 16);
  if (most > rest) {
    const asked = `you requested ${most} output tokens and your prompt contains ${prompt.length} input tokens`;
    const limit = `This model's maximum context length is ${generator.context} tokens`;
    return refuse(response, 400, `${limit}. However, ${asked}.`, 'BadRequestError');
  }
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const id = `${isChat ? 'chatcmpl' : 'cmpl'}-${request.headers['x-request-id'] ?? randomUUID()}`;
  const answer = new Answer(response, { id, body, isChat, promptTokens: prompt.length });
  for await (const { piece, stop } of generator.generate(prompt, { ...body, most }, gone.signal)) {
    if (stop === undefined) answer.say(piece);
    else answer.end(stop);
  }
  if (gone.signal.aborted) response.destroy();
}

/** In events, or in one piece. */
class Answer {
  #response;
  #body;
  #isChat;
  #head;
  #promptTokens;
  #pieces = [];

  constructor(response, { id, body, isChat, promptTokens }) {
    const object = isChat ? `chat.completion${body.stream ? '.chunk' : ''}` : 'text_completion';
    this.#response = response;
    this.#body = body;
    this.#isChat = isChat;
    this.#promptTokens = promptTokens;
    this.#head = { id, object, created: Math.floor(Date.now() / 1000), model: NAME };
    if (!body.stream) return;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    if (isChat) this.#event([this.#choice({ role: 'assistant', content: '' }, null)]);
  }

  say(piece) {
    this.#pieces.push(piece);
    if (this.#body.stream) this.#event([this.#choice({ content: piece }, null)]);
  }

  end(reason) {
    const usage = {
      prompt_tokens: this.#promptTokens,
      total_tokens: this.#promptTokens + this.#pieces.length,
      completion_tokens: this.#pieces.length,
    };
    if (this.#body.stream) {
      this.#event([this.#choice({}, reason)]);
      if (this.#body.stream_options?.include_usage) this.#event([], { usage });
      this.#response.end('data: [DONE]\n\n');
      return;
    }
    const content = this.#pieces.join('');
    const said = this.#isChat
      ? { message: { role: 'assistant', content, tool_calls: [] } }
      : { text: content };
    const choice = { index: 0, ...said, logprobs: null, finish_reason: reason };
    json(this.#response, 200, { ...this.#head, choices: [choice], usage });
  }

  #choice(delta, reason) {
    const said = this.#isChat ? { delta } : { text: delta.content ?? '' };
    return { index: 0, ...said, logprobs: null, finish_reason: reason };
  }

  #event(choices, more = {}) {
    this.#response.write(`data: ${JSON.stringify({ ...this.#head, choices, ...more })}\n\n`);
  }
}

/** Text, or the texts of its parts. */
function contentOf({ content }) {
  return typeof content === 'string' ? content : (content ?? []).map(({ text = '' }) => text).join('');
}

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function refuse(response, status, message, type) {
  json(response, status, { error: { message, type, param: null, code: status } });
}
