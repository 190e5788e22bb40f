/** The histories of all processes put together: the life of every request. Pure. */
import { isFinal, type Entry, type Happening, type ProcessHistory } from '../harness/happenings.ts';

/** An entry, and the process in whose history it stands. */
export type Seen<What extends Happening['what']> = Extract<Happening, { what: What }> & {
  readonly by: ProcessHistory;
  readonly at: number;
};

export type Grant = Seen<'granted'>;
export type Telling = Seen<'told'>;

/** Seen once of a request. */
type Once = 'put' | 'accepted' | 'refused';
/** Seen any number of times. */
const LISTED = [
  ...(['placed', 'granted', 'givenBack', 'claimed', 'sent'] as const),
  ...(['stopped', 'cancelling', 'taken', 'told'] as const),
];
type Listed = (typeof LISTED)[number];

/** Everything that was seen of one request, each list in the order of time. */
export type Life = { readonly id: string } & { [What in Once]?: Seen<What> } & {
  readonly [What in Listed]: Seen<What>[];
};

export class Lives {
  readonly #lives = new Map<string, Life>();
  /** In the order of time. */
  readonly started: Seen<'started'>[] = [];

  get all(): Life[] {
    return [...this.#lives.values()];
  }

  /** Requests whose clients still have something to hear: an answer to the put, or an end. */
  get open(): Life[] {
    return this.all.filter(({ put, accepted, refused, told }) =>
      accepted ? !told.some(isFinal) : !refused && put?.by.diedAt === undefined,
    );
  }

  /** What a process saw, in its order; histories may be added in turns. */
  add(by: ProcessHistory, entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.what === 'started') insert(this.started, { ...entry, by });
      else if ('id' in entry) this.#note(entry.id, { ...entry, by });
    }
  }

  #note(id: string, seen: Seen<Once | Listed>): void {
    let life = this.#lives.get(id);
    if (!life) {
      life = { id, ...Object.fromEntries(LISTED.map((what) => [what, []])) } as unknown as Life;
      this.#lives.set(id, life);
    }
    if (seen.what === 'put' || seen.what === 'accepted' || seen.what === 'refused')
      Object.assign(life, { [seen.what]: seen });
    else insert<Seen<Listed>>(life[seen.what], seen);
  }
}

/** Keeps a list in the order of time; most come last. */
function insert<T extends { readonly at: number }>(list: T[], one: T): void {
  let place = list.length;
  while (place > 0 && list[place - 1]!.at > one.at) place -= 1;
  list.splice(place, 0, one);
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
