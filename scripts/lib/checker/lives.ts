/** The histories of all processes put together: the life of every request. Pure. */
import type { Entry, Happening } from '../harness/happenings.ts';

/** One process, as the checker knows it. */
export interface ProcessHistory {
  /** Unlike a node's name, never used again. */
  readonly label: string;
  readonly entries: readonly Entry[];
  /** When it was killed or evicted; undefined: it ended in order. */
  readonly diedAt: number | undefined;
}

type Of<What extends Happening['what']> = Extract<Happening, { what: What }> & {
  readonly by: ProcessHistory;
  readonly at: number;
};

export type Grant = Of<'granted'>;
export type Telling = Of<'told'>;
export type Sending = Of<'sent'>;
export type Taking = Of<'taken'>;

/** Everything that was seen of one request, each list in the order of time. */
export interface Life {
  readonly id: string;
  put?: Of<'put'>;
  accepted?: Of<'accepted'>;
  refused?: Of<'refused'>;
  readonly placed: Of<'placed'>[];
  readonly granted: Grant[];
  readonly givenBack: Of<'givenBack'>[];
  readonly claimed: Of<'claimed'>[];
  readonly sent: Sending[];
  readonly cancelling: Of<'cancelling'>[];
  readonly taken: Taking[];
  readonly told: Telling[];
}

export interface Lives {
  readonly lives: ReadonlyMap<string, Life>;
  readonly started: readonly Of<'started'>[];
}

export function isFinal({ kind }: Pick<Telling, 'kind'>): boolean {
  return kind !== 'chunk' && kind !== 'restart';
}

/** The name that a process had; undefined: it never got one. */
export function nameOf({ entries }: ProcessHistory): string | undefined {
  const entry = entries.find(({ what }) => what === 'started');
  return entry?.what === 'started' ? entry.node : undefined;
}

export function collect(processes: readonly ProcessHistory[]): Lives {
  const lives = new Map<string, Life>();
  const started: Of<'started'>[] = [];
  const of = (id: string): Life => {
    let life = lives.get(id);
    if (!life) {
      life = {
        ...{ id, placed: [], granted: [], givenBack: [], claimed: [], sent: [] },
        ...{ cancelling: [], taken: [], told: [] },
      };
      lives.set(id, life);
    }
    return life;
  };
  const all = processes.flatMap((by) => by.entries.map((entry) => ({ ...entry, by })));
  all.sort((one, other) => one.at - other.at);
  for (const entry of all) {
    if (entry.what === 'started') started.push(entry);
    else if ('id' in entry) note(of(entry.id), entry);
  }
  return { lives, started };
}

function note(life: Life, entry: Entry & { by: ProcessHistory }): void {
  switch (entry.what) {
    case 'put':
      life.put = entry;
      break;
    case 'accepted':
      life.accepted = entry;
      break;
    case 'refused':
      life.refused = entry;
      break;
    case 'placed':
      life.placed.push(entry);
      break;
    case 'granted':
      life.granted.push(entry);
      break;
    case 'givenBack':
      life.givenBack.push(entry);
      break;
    case 'claimed':
      life.claimed.push(entry);
      break;
    case 'sent':
      life.sent.push(entry);
      break;
    case 'cancelling':
      life.cancelling.push(entry);
      break;
    case 'taken':
      life.taken.push(entry);
      break;
    case 'told':
      life.told.push(entry);
      break;
    default:
  }
}

/** Every line about one request, of all processes, in the order of time: what shows a broken promise. */
export function linesOf(processes: readonly ProcessHistory[], id: string): string[] {
  const lines = processes.flatMap(({ label, entries }) =>
    entries.flatMap((entry) => ('id' in entry && entry.id === id ? [{ label, entry }] : [])),
  );
  lines.sort((one, other) => one.entry.at - other.entry.at);
  return lines.map(
    ({ label, entry: { at, ...rest } }) => `${at.toFixed(1)} ${label} ${JSON.stringify(rest)}`,
  );
}
