/**
 * One node's engine in model time, and what it did written into the history: the same for the live fleet and for the
 * ideal queue. Whoever drives it says when; iterations follow each other without a gap.
 */
import { requiredBlocks, type Budget } from '../../src/base/budget.ts';
import { EngineModel, type EngineOptions } from '../../src/testing/engine/engine-model.ts';
import { roomOf } from '../../src/testing/engine/room.ts';
import type { OwnedArrival } from '../lib/traffic/scale.ts';
import type { History, Journey } from './history.ts';

/** A history in which nothing has happened yet. */
export function newHistory(
  arrivals: readonly OwnedArrival[],
  nodes: number,
  options: Partial<EngineOptions> = {},
): History {
  const engine = new EngineModel(options).options;
  const journeys = arrivals.map((arrival): Journey => ({
    ...arrival,
    blocks: requiredBlocks(arrival.promptTokens, engine),
    ...{ runner: -1, enteredAt: NaN, prefillAt: NaN, firstTokenAt: NaN, finishedAt: NaN },
    ...{ executions: 0, ends: 0 },
  }));
  return { nodes, slotsPerNode: engine.maxSequences, blocksPerNode: engine.totalBlocks, journeys, rooms: [] };
}

export class Machine {
  readonly node: number;
  readonly #model: EngineModel;
  readonly #history: History;
  /** Admitted, and in no iteration yet. */
  #unstarted: number[] = [];
  #endsAt: number | undefined;
  #told = { slots: -1, blocks: -1 };

  constructor(node: number, history: History, options: Partial<EngineOptions> = {}) {
    this.node = node;
    this.#history = history;
    this.#model = new EngineModel(options);
    this.#tellRoom(-Infinity);
  }

  /** Sequences in the engine. */
  get size(): number {
    return this.#model.size;
  }

  /** When the iteration under way ends; undefined: there is none. */
  get endsAt(): number | undefined {
    return this.#endsAt;
  }

  get room(): Budget {
    return roomOf(this.#model);
  }

  /** Whether its room admits anything. */
  get isOpen(): boolean {
    const { freeSlots, freeBlocks, prefillBacklog, options } = this.#model;
    return (
      freeSlots > 0 && freeBlocks > options.reservedOutputBlocks && prefillBacklog < options.prefillChunk
    );
  }

  /** Takes request number `id`; false if slots or blocks are missing. Its first iteration is the next to begin. */
  admit(id: number, at: number): boolean {
    const journey = this.#history.journeys[id]!;
    if (!this.#model.admit({ id, promptTokens: journey.promptTokens, outputTokens: journey.outputTokens }))
      return false;
    journey.executions += 1;
    journey.runner = this.node;
    journey.enteredAt = at;
    this.#unstarted.push(id);
    this.#tellRoom(at);
    return true;
  }

  /** Begins an iteration if there is work and none is under way. */
  begin(at: number): void {
    if (this.#endsAt !== undefined) return;
    const durationMs = this.#model.begin();
    if (durationMs === undefined) return;
    this.#endsAt = at + durationMs;
    this.#unstarted = this.#unstarted.filter((id) => {
      if (!this.#model.isScheduled(id)) return true;
      this.#history.journeys[id]!.prefillAt = at;
      return false;
    });
    this.#tellRoom(at);
  }

  /** Ends the iteration under way, and returns which requests are finished by it. */
  end(): number[] {
    const at = this.#endsAt!;
    this.#endsAt = undefined;
    const { firstTokens, finished } = this.#model.end();
    for (const id of firstTokens) this.#history.journeys[id]!.firstTokenAt = at;
    for (const id of finished) this.#history.journeys[id]!.finishedAt = at;
    this.#tellRoom(at);
    return finished;
  }

  #tellRoom(atMs: number): void {
    const slots = this.isOpen ? this.#model.freeSlots : 0;
    const blocks = this.#model.freeBlocks;
    if (slots === this.#told.slots && blocks === this.#told.blocks) return;
    this.#told = { slots, blocks };
    this.#history.rooms.push({ atMs, node: this.node, slots, blocks });
  }
}
