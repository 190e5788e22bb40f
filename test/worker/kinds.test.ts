// What each kind of engine says of itself, in the form that its versions print: read into blocks, requests and tokens.
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import type { KindName, Page, Reading } from '../../src/worker/kinds/kind.ts';
import { KINDS, kindOf } from '../../src/worker/kinds/kinds.ts';
import { samplesOf, sumOf } from '../../src/worker/kinds/samples.ts';

function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
}

function read(kind: KindName, ...pages: Page[]): Reading {
  return KINDS[kind].read(pages);
}

const VLLM = fixture('vllm.txt');

describe('what an engine says of its room', () => {
  it('vllm', () => {
    expect(read('vllm', VLLM)).to.deep.equal({
      ...{ blocks: 7_281, blockSize: 16, usedBlocks: 1_820, running: 12, waiting: 3 },
    });
  });

  it('vllm before it has measured its memory, or in a process that does not: no blocks, and no use of them', () => {
    const text = VLLM.replace('num_gpu_blocks="7281"', 'num_gpu_blocks="None"');
    expect(read('vllm', text)).to.deep.equal({ blockSize: 16, running: 12, waiting: 3 });
  });

  it('vllm of today: the cache in tokens, where a block of several kinds of layers is no block_size tokens', () => {
    const text = VLLM.replace(
      'num_gpu_blocks="7281"',
      'kv_cache_max_concurrency="1.77",kv_cache_size_tokens="463459",num_gpu_blocks="320"',
    );
    expect(read('vllm', text)).to.include({ blocks: 28_966, blockSize: 16, usedBlocks: 7_242 });
  });

  it('vllm with data parallelism: all engines behind the endpoint, each with its own use', () => {
    expect(read('vllm', fixture('vllm-data-parallel.txt'))).to.deep.equal({
      ...{ blocks: 3_000, blockSize: 16, usedBlocks: 1_250, running: 9, waiting: 1 },
    });
  });

  it('vllm of before: other names, no label of the engine', () => {
    const text = VLLM.replace(/engine="0",/g, '').replaceAll('kv_cache_usage_perc', 'gpu_cache_usage_perc');
    expect(read('vllm', text)).to.include({ blocks: 7_281, usedBlocks: 1_820, running: 12 });
  });

  it('sglang with metrics: ranks of one engine are not engines', () => {
    expect(read('sglang', fixture('sglang.txt'), fixture('sglang-info.json'), undefined)).to.deep.equal({
      ...{
        blocks: 6_250,
        blockSize: 64,
        usedBlocks: 1_600,
        slots: 48,
        maxModelLen: 32_768,
        running: 7,
        waiting: 2,
      },
    });
  });

  it('sglang without --enable-metrics, and of before: from what it says of its server', () => {
    expect(read('sglang', undefined, undefined, fixture('sglang-info.json'))).to.deep.equal({
      ...{ blocks: 6_250, blockSize: 64, slots: 48, maxModelLen: 32_768 },
    });
  });

  it('tgi', () => {
    expect(read('tgi', fixture('tgi-info.json'), fixture('tgi.txt'))).to.deep.equal({
      ...{
        blocks: 16_000,
        blockSize: 1,
        slots: 128,
        maxModelLen: 4_096,
        usedBlocks: 2_048,
        running: 8,
        waiting: 5,
      },
    });
  });

  it('llamacpp, with and without its slots and metrics', () => {
    const props = fixture('llamacpp-props.json');
    const size = { blocks: 32_768, blockSize: 1, slots: 4, maxModelLen: 8_192 };
    const slots = fixture('llamacpp-slots.json');
    const metrics = fixture('llamacpp.txt');
    expect(read('llamacpp', props, slots, metrics)).to.deep.equal({ ...size, running: 2, waiting: 1 });
    expect(read('llamacpp', props, undefined, metrics)).to.deep.equal({ ...size, running: 2, waiting: 1 });
    expect(read('llamacpp', props, undefined, undefined)).to.deep.equal(size);
  });

  it('fastdeploy, also before it has measured its memory and without prefixes', () => {
    const text = fixture('fastdeploy.txt');
    const whole = { blocks: 2_048, blockSize: 64, slots: 32, usedBlocks: 548, running: 6, waiting: 1 };
    expect(read('fastdeploy', text)).to.deep.equal(whole);
    const bare = text.replace(/fastdeploy:(?=available|max_)/g, '');
    expect(read('fastdeploy', bare)).to.deep.equal(whole);
    expect(
      read('fastdeploy', text.replace('max_gpu_block_num 2048.0', 'max_gpu_block_num 0.0')),
    ).to.deep.equal({
      ...{ blockSize: 64, slots: 32, running: 6, waiting: 1 },
    });
  });

  it('nothing, if its pages are missing, empty, or something else', () => {
    for (const [name, kind] of Object.entries(KINDS))
      for (const page of [
        undefined,
        '',
        '<html>502 Bad Gateway</html>',
        '[]',
        'null',
        '{"slots":',
        'a{b="c} 1 2 3',
      ])
        expect(Object.keys(kind.read(kind.pages.map(() => page))), name).to.not.include.members([
          'blocks',
          'running',
        ]);
  });
});

describe('the kind of an engine', () => {
  it('is told by its pages', () => {
    expect(kindOf([VLLM]).name).to.equal('vllm');
    expect(kindOf([fixture('sglang.txt')]).name).to.equal('sglang');
    expect(kindOf([undefined, undefined, undefined, fixture('sglang-info.json')]).name).to.equal('sglang');
    expect(kindOf([fixture('tgi.txt')]).name).to.equal('tgi');
    expect(kindOf([undefined, undefined, fixture('tgi-info.json')]).name).to.equal('tgi');
    expect(kindOf([undefined, fixture('llamacpp-props.json')]).name).to.equal('llamacpp');
    expect(kindOf([fixture('fastdeploy.txt')]).name).to.equal('fastdeploy');
    expect(kindOf(['python_info 1', '{}', '[]']).name).to.equal('openai');
    expect(kindOf([]).name).to.equal('openai');
  });
});

describe('the text form of Prometheus', () => {
  it('is read with escapes, times, exponents and Windows ends; comments and values that are no number are left out', () => {
    const text =
      '# TYPE a gauge\r\na{x="1,}\\"\\n\\\\",y="2"} 1.5e+03 1700000000000\r\nb 2\nc NaN\nd +Inf\ne{} 0\n not a sample\nf';
    expect(samplesOf(text)).to.deep.equal([
      { name: 'a', labels: { x: '1,}"\n\\', y: '2' }, value: 1_500 },
      { name: 'b', labels: {}, value: 2 },
      { name: 'e', labels: {}, value: 0 },
    ]);
  });

  it('is summed over engines, and over the ranks of one the largest counts', () => {
    const samples = samplesOf('m{dp="0",tp="0"} 5\nm{tp="1",dp="0"} 4\nm{dp="1",tp="0"} 7');
    expect(sumOf(samples, ['tp'])).to.equal(12);
    expect(sumOf(samples)).to.equal(16);
    expect(sumOf([])).to.equal(undefined);
  });
});
