import { expect } from 'chai';
import { Redis } from 'ioredis';
import { Proxy } from '../../../scripts/chaos/proxy.ts';
import { redisUrl } from '../../support/server.ts';

describe('the proxy of a chaos run', () => {
  it('keeps a silent connection silent, whatever else strikes, until it is cut: bytes of it are lost', async () => {
    const link = new Proxy(Number(new URL(redisUrl()).port));
    const client = new Redis(await link.open(), { retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.ping();
      expect(link.trap('silence', () => true)).to.equal(1);
      const swallowed = client.ping().catch(() => 'cut');
      for (const kind of ['before', 'after', 'readonly'] as const)
        expect(
          link.trap(kind, () => true),
          kind,
        ).to.equal(0);
      link.calm();
      expect(await swallowed).to.equal('cut');
    } finally {
      client.disconnect();
      await link.close();
    }
  });
});
