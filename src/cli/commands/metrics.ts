import { InvalidArgumentError, type Command } from 'commander';
import { once } from 'node:events';
import { catchInterrupt } from '../interrupt.ts';
import { MetricsServer } from '../metrics-server.ts';
import type { Run } from '../session.ts';
import { oneLine, withoutSecrets } from '../output.ts';
import { onTopic, type Topic } from '../topic.ts';

/** Beside the ports that exporters have in Prometheus' list. */
const PORT = 9477;

interface Options {
  port: number;
  host: string;
}

export function addMetrics(program: Command, run: Run): void {
  const command = program
    .command('metrics')
    .summary("serve a topic's metrics to Prometheus")
    .description(
      'Serves the metrics of a topic at /metrics, in the text format of Prometheus, until Ctrl-C or SIGTERM. Each scrape is one ' +
        'look at the topic; its cost does not depend on how many requests wait. While Redis does not answer, ' +
        'sched_lua_topic_up is 0. docs/metrics.md lists the metrics.',
    )
    .option('--port <n>', 'port to listen on; 0: any that is free', portOf, PORT)
    .option('--host <address>', 'address to listen on', '127.0.0.1');
  onTopic(command, run, (topic) => serve(topic, command.opts<Options>()));
}

async function serve(topic: Topic, { port, host }: Options): Promise<undefined> {
  const { client, name, show, say } = topic;
  const over = AbortSignal.any([catchInterrupt(), terminated()]);
  const server = new MetricsServer({
    ...{ client, topic: name, host, port },
    say: (line) => say(withoutSecrets(oneLine(line))),
  });
  const url = await server.listen();
  try {
    await show({ json: { topic: name, url }, text: `metrics of topic ${name} at ${url}` });
    if (!over.aborted) await once(over, 'abort');
  } finally {
    await server.close();
  }
  return undefined;
}

/** An orchestrator ends it so. In a container, where it is the first process, nothing else would. */
function terminated(): AbortSignal {
  const end = new AbortController();
  process.once('SIGTERM', () => end.abort());
  return end.signal;
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Allowed is an integer from 0 to 65535.');
}
