// A real model of the llama architecture that counts: after the token " 17" comes " 18", after anything else " 1", after "
// 999" the end. Attention and feed-forward add zero, so the residual stream is the embedding of the last token; the output
// row of the token that comes next is that embedding, scaled. Everything that is no number shares one embedding, so one row
// serves them all.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const LAST = 999;

const ALIGNMENT = 32;
/** How sure the model is of the next token. */
const SCALE = 24;
const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };
/** Of llama.cpp's vocabulary. */
const TOKEN = { normal: 1, unknown: 2, control: 3, byte: 6 };
const F32 = 0;

/** The whole file. @param shape figures of the model; the defaults are about 1 MB */
export function countingGguf(shape = {}) {
  const { embedding = 64, layers = 2, heads = 4, feedForward = 128, context = 2048, seed = 1 } = shape;
  const { texts, types, numbers, end } = vocabulary();
  const random = generator(seed);
  const tensors = tensorsOf({ embedding, layers, feedForward, texts, numbers, end, random });
  const keys = [
    ['general.architecture', TYPE.string, 'llama'],
    ['general.name', TYPE.string, 'counting'],
    ['general.alignment', TYPE.u32, ALIGNMENT],
    ['llama.context_length', TYPE.u32, context],
    ['llama.embedding_length', TYPE.u32, embedding],
    ['llama.block_count', TYPE.u32, layers],
    ['llama.feed_forward_length', TYPE.u32, feedForward],
    ['llama.attention.head_count', TYPE.u32, heads],
    ['llama.attention.layer_norm_rms_epsilon', TYPE.f32, 1e-5],
    ['llama.rope.dimension_count', TYPE.u32, embedding / heads],
    ['llama.vocab_size', TYPE.u32, texts.length],
    ['tokenizer.ggml.model', TYPE.string, 'llama'],
    ['tokenizer.ggml.tokens', TYPE.array, [TYPE.string, texts]],
    ['tokenizer.ggml.scores', TYPE.array, [TYPE.f32, texts.map(() => 0)]],
    ['tokenizer.ggml.token_type', TYPE.array, [TYPE.i32, types]],
    ['tokenizer.ggml.bos_token_id', TYPE.u32, 1],
    ['tokenizer.ggml.eos_token_id', TYPE.u32, end],
    ['tokenizer.ggml.unknown_token_id', TYPE.u32, 0],
    ['tokenizer.ggml.add_bos_token', TYPE.bool, true],
    ['tokenizer.ggml.add_space_prefix', TYPE.bool, false],
  ];
  return fileOf(keys, tensors);
}

/** Control tokens, all bytes, a blank, ASCII, and the numbers, each with its blank. */
function vocabulary() {
  const texts = [];
  const types = [];
  const add = (text, type) => {
    types.push(type);
    return texts.push(text) - 1;
  };
  add('<unk>', TOKEN.unknown);
  add('<s>', TOKEN.control);
  const end = add('</s>', TOKEN.control);
  for (let byte = 0; byte < 256; byte += 1)
    add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, TOKEN.byte);
  add('\u2581', TOKEN.normal);
  for (let code = 33; code < 127; code += 1) add(String.fromCharCode(code), TOKEN.normal);
  const numbers = Array.from({ length: LAST + 1 }, (_, i) => add(`\u2581${i}`, TOKEN.normal));
  return { texts, types, numbers, end };
}

function tensorsOf({ embedding, layers, feedForward, texts, numbers, end, random }) {
  const size = texts.length * embedding;
  const input = Float32Array.from({ length: size }, () => (random() < 0.5 ? -1 : 1));
  const isNumber = new Set(numbers);
  for (let token = 1; token < texts.length; token += 1)
    if (!isNumber.has(token)) input.copyWithin(token * embedding, 0, embedding);
  const output = new Float32Array(size);
  // `next` is what comes after the tokens whose embeddings begin at these places
  const follow = (next, ...places) => {
    for (let i = 0; i < embedding; i += 1)
      for (const place of places) output[next * embedding + i] += (input[place + i] * SCALE) / embedding;
  };
  follow(numbers[1], 0, numbers[0] * embedding);
  for (let i = 1; i <= LAST; i += 1) follow(i === LAST ? end : numbers[i + 1], numbers[i] * embedding);

  const ones = (length) => new Float32Array(length).fill(1);
  const zeros = (length) => new Float32Array(length);
  const noise = (length) => Float32Array.from({ length }, () => (random() * 2 - 1) / 8);
  const square = [embedding, embedding];
  const layer = [
    ['attn_norm', [embedding], ones],
    ['attn_q', square, noise],
    ['attn_k', square, noise],
    ['attn_v', square, noise],
    ['attn_output', square, zeros],
    ['ffn_norm', [embedding], ones],
    ['ffn_gate', [embedding, feedForward], noise],
    ['ffn_up', [embedding, feedForward], noise],
    ['ffn_down', [feedForward, embedding], zeros],
  ];
  return [
    ['token_embd.weight', [embedding, texts.length], input],
    ['output_norm.weight', [embedding], ones(embedding)],
    ['output.weight', [embedding, texts.length], output],
    ...Array.from({ length: layers }, (_, i) =>
      layer.map(([name, dimensions, fill]) => [
        `blk.${i}.${name}.weight`,
        dimensions,
        fill(dimensions.reduce((product, one) => product * one)),
      ]),
    ).flat(),
  ];
}

/** The same numbers from the same seed, from 0 to below 1. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function fileOf(keys, tensors) {
  const head = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(keys.length)];
  for (const [key, type, value] of keys) head.push(text(key), u32(type), encoded(type, value));
  let offset = 0;
  for (const [name, dimensions, data] of tensors) {
    head.push(text(name), u32(dimensions.length), ...dimensions.map(u64), u32(F32), u64(offset));
    offset += data.byteLength + padding(data.byteLength).length;
  }
  const parts = [Buffer.concat(head)];
  parts.push(padding(parts[0].length));
  for (const [, , data] of tensors) parts.push(Buffer.from(data.buffer), padding(data.byteLength));
  return Buffer.concat(parts);
}

function encoded(type, value) {
  if (type === TYPE.string) return text(value);
  if (type === TYPE.bool) return Buffer.of(Number(value));
  if (type === TYPE.f32) return bytes(4, (buffer) => buffer.writeFloatLE(value));
  if (type !== TYPE.array) return u32(value);
  const [of, list] = value;
  return Buffer.concat([u32(of), u64(list.length), ...list.map((one) => encoded(of, one))]);
}

function bytes(length, write) {
  const buffer = Buffer.alloc(length);
  write(buffer);
  return buffer;
}

const u32 = (value) => bytes(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (value) => bytes(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
const padding = (length) => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

function text(value) {
  const encodedText = Buffer.from(value);
  return Buffer.concat([u64(encodedText.length), encodedText]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(process.argv[2], countingGguf());
