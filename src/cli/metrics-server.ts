/** Serves the metrics of one topic over HTTP. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { monotonic } from '../base/clock.ts';
import { SchedulerError, messageOf } from '../base/errors.ts';
import { Conservation } from '../inspect/conservation.ts';
import { lookAtTopic, type TopicLook } from '../inspect/topic-look.ts';
import { CONTENT_TYPE, expose } from '../metrics/exposition.ts';
import { TOPIC_METRICS, topicSamples } from '../metrics/topic-metrics.ts';
import type { Client } from '../redis/run-script.ts';

const PATH = '/metrics';

export interface MetricsServerOptions {
  client: Client;
  topic: string;
  host: string;
  /** 0: any that is free. */
  port: number;
  /** Told, once each time, that Redis does not answer, and that it does again. */
  say: (line: string) => void;
}

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #server: Server;
  readonly #conservation = new Conservation();
  #reading: Promise<string> | undefined;
  #trouble: string | undefined;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.#server = createServer((asked, answer) => void this.#answer(asked, answer));
  }

  /**
   * Answers the URL.
   * @throws SchedulerError CONFIG if it may not listen there
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    try {
      this.#server.listen(port, host);
      await once(this.#server, 'listening');
    } catch (error) {
      const message = `cannot listen on ${host} port ${port}: ${messageOf(error)}`;
      throw new SchedulerError('CONFIG', 'metrics', message, { cause: error });
    }
    const { address, port: taken, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}${PATH}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer({ method, url = '' }: IncomingMessage, answer: ServerResponse): Promise<void> {
    const [path] = url.split('?');
    if (path !== PATH) {
      reply(answer, 404, `the metrics are at ${PATH}\n`);
      return;
    }
    if (method !== 'GET' && method !== 'HEAD') {
      answer.setHeader('Allow', 'GET, HEAD');
      reply(answer, 405, 'GET only\n');
      return;
    }
    // those who ask at once share one look
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    reply(answer, 200, await this.#reading, CONTENT_TYPE);
  }

  /** Never rejects: a Redis that does not answer is a metric. */
  async #read(): Promise<string> {
    const { topic } = this.#options;
    const from = monotonic();
    const look = await this.#look();
    const violations = look ? this.#conservation.judge(look) : [];
    return expose(TOPIC_METRICS, topicSamples(topic, look, violations, monotonic() - from));
  }

  async #look(): Promise<TopicLook | undefined> {
    const { client, topic, say } = this.#options;
    try {
      const look = await lookAtTopic(client, topic);
      if (this.#trouble !== undefined) say('Redis answers again');
      this.#trouble = undefined;
      return look;
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble !== this.#trouble) say(`no look at topic ${topic}: ${trouble}`);
      this.#trouble = trouble;
      return undefined;
    }
  }
}

function reply(answer: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  answer.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  answer.end(text);
}
